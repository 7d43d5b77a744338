from __future__ import annotations

import json
import math
import queue

import numpy as np
import pytest

import wk_jupyter as wk
from wk_jupyter.api.frames import Status, decode_frame
from wk_jupyter.errors import InvalidInput, LayerNotFound


class Sent:
    """What the viewer sends to its page, by the comm's own interface."""

    def __init__(self, viewer, monkeypatch):
        self.messages = queue.Queue()
        monkeypatch.setattr(viewer, "send", lambda content, buffers=(): self.messages.put((content, buffers)))

    def next(self):
        return self.messages.get(timeout=30)


@pytest.fixture
def viewer(dataset):
    made = dataset.view()
    yield made
    made.close()


def receive(viewer, content):
    """A message of the page, as the kernel hands it over."""
    viewer._handle_msg({"content": {"data": {"method": "custom", "content": content}}, "buffers": []})


def set_state(viewer, **state):
    """A change that the page made."""
    data = {"method": "update", "state": state, "buffer_paths": []}
    viewer._handle_msg({"content": {"data": data}, "buffers": []})


@pytest.mark.parametrize(
    ("trait", "value", "kept"),
    [
        ("position", (1, 2, 3), [1.0, 2.0, 3.0]),
        ("position", np.array([1, 2, 3]), [1.0, 2.0, 3.0]),
        ("position", wk.Vec3Int(4, 5, 6), [4.0, 5.0, 6.0]),
        ("position", [-1.5, 2**40, 0], [-1.5, 2.0**40, 0.0]),
        ("zoom", 2, 2),
        ("zoom", 0.01, 0.01),
        ("blend_mode", "cover", "cover"),
        ("height", 200, 200),
        ("additional_coordinates", {"t": 3}, {"t": 3}),
    ],
)
def test_good_values_are_taken(viewer, trait, value, kept):
    setattr(viewer, trait, value)
    assert getattr(viewer, trait) == kept
    assert json.loads(json.dumps(viewer.get_state(trait)[trait])) == kept


@pytest.mark.parametrize(
    ("trait", "value"),
    [
        ("position", (1, 2)),
        ("position", "123"),
        ("position", (1, 2, math.nan)),
        ("position", (1, 2, "far")),
        ("position", {"x": 1, "y": 2, "z": 3}),
        ("position", 5),
        ("position", None),
        ("zoom", 0),
        ("zoom", -1),
        ("zoom", math.inf),
        ("blend_mode", "multiply"),
        ("height", 10),
        ("height", "tall"),
    ],
)
def test_bad_values_are_refused_and_named(viewer, trait, value):
    before = getattr(viewer, trait)
    with pytest.raises(Exception, match=trait):
        setattr(viewer, trait, value)
    assert getattr(viewer, trait) == before


def test_unknown_options_are_named_with_those_there_are(dataset):
    with pytest.raises(TypeError, match=r"no option positon.*position"):
        dataset.view(positon=(1, 2, 3))
    with pytest.raises(LayerNotFound, match=r"'colour'.*color"):
        dataset.view(layers={"colour": {"opacity": 3}})
    with pytest.raises(InvalidInput, match="opacity of layer 'color'"):
        dataset.view(layers={"color": {"opacity": 300}})


def test_defaults_give_way_to_the_file_and_the_file_to_the_call(dataset):
    viewer = dataset.view(layers={"color": {"color": "#ff0000"}}, position=(1, 2, 3))
    color, ids = viewer.layers["color"], viewer.layers["ids"]
    assert (color.gamma, color.intensity_range, ids.opacity) == (1, [0, 255], 20)  # built in
    assert (color.opacity, color.interpolation, viewer.zoom, viewer.blend_mode) == (70, True, 3, "cover")
    assert (color.color, viewer.position) == ([255, 0, 0], [1, 2, 3])
    viewer.close()


def test_without_any_word_the_middle_is_shown_as_large_as_it_fits(folder):
    file = folder / "datasource-properties.json"
    document = json.loads(file.read_text())
    del document["defaultViewConfiguration"]
    file.write_text(json.dumps(document))
    viewer = wk.open(folder).view()
    assert viewer.position == [20, 18, 17]
    assert 0 < viewer.zoom < 1
    viewer.close()


def test_the_scene_tells_ids_as_text(viewer):
    layers = {layer["name"]: layer for layer in viewer.scene["layers"]}
    assert layers["ids"]["largestSegmentId"] == str(2**60 + 200)
    assert (layers["color"]["dtype"], layers["color"]["mags"]) == ("uint8", [[1, 1, 1]])
    assert viewer.source == {"kind": "comm"}


def test_bricks_are_answered_with_their_frame(viewer, monkeypatch, voxels):
    sent = Sent(viewer, monkeypatch)
    request = {
        "type": "bricks",
        "id": "a-7",
        "layer": "color",
        "mags": [[1, 1, 1]],
        "bricks": [[0, 0, 0, 0], [0, 1, 0, 0], [0, 9, 9, 9]],
        "additionalCoordinates": [],
    }
    receive(viewer, request)
    content, (frame,) = sent.next()
    assert content == {"type": "bricks", "id": "a-7"}
    entries = decode_frame(frame)
    assert [entry.status for entry in entries] == [Status.OK, Status.OK, Status.MISSING]
    first = np.frombuffer(entries[0].voxels(32**3), np.uint8).reshape((32, 32, 32), order="F")
    assert np.array_equal(first, voxels[:32, :32, :32])
    assert len(frame) < 2 * 32**3 + 100


@pytest.mark.parametrize(
    "change",
    [
        {"layer": "nowhere"},
        {"mags": [[64, 64, 64]]},
        {"bricks": [[0, "x", 0, 0]]},
        {"bricks": [[3, 0, 0, 0]]},
        {"bricks": [[0, 0, 0, 0]] * 257},
        {"bricks": None},
    ],
)
def test_a_bad_request_is_answered_in_words(viewer, monkeypatch, change):
    sent = Sent(viewer, monkeypatch)
    receive(
        viewer, {"type": "bricks", "id": 1, "layer": "color", "mags": [[1, 1, 1]], "bricks": [], **change}
    )
    content, buffers = sent.next()
    assert content["id"] == 1
    assert content["error"]
    assert not buffers


def test_other_messages_do_nothing_and_a_local_folder_has_no_token(viewer, monkeypatch):
    sent = Sent(viewer, monkeypatch)
    receive(viewer, {"type": "unheard of"})
    receive(viewer, ["no", "mapping"])
    receive(viewer, {"type": "token"})
    assert sent.next()[0] == {"type": "token", "token": None}
    assert sent.messages.empty()


def test_ids_under_the_pointer_are_exact(viewer):
    told = {
        "position": [1, 2, 3],
        "values": {"ids": str(2**60 + 3), "color": 7, "rgb": [1, 2, 3], "far": None},
    }
    set_state(viewer, hovered=told)
    assert viewer.hovered == {
        "position": (1, 2, 3),
        "values": {"ids": 2**60 + 3, "color": 7, "rgb": [1, 2, 3], "far": None},
    }
    set_state(viewer, hovered=None)
    assert viewer.hovered is None


def test_changes_of_the_page_reach_observers(viewer):
    seen = []
    viewer.observe(lambda change: seen.append(change["new"]), "position")
    set_state(viewer, position=[5, 6.5, 7], zoom=0.25)
    assert seen == [[5, 6.5, 7]]
    assert viewer.zoom == 0.25


def test_closing_frees_the_comm_and_later_requests_are_dropped(dataset, monkeypatch):
    from ipywidgets import Widget

    viewer = dataset.view()
    name = viewer.model_id
    sent = Sent(viewer, monkeypatch)
    viewer.destroy()
    viewer.close()
    assert name not in Widget.get_manager_state()["state"]
    viewer._send_bricks({"id": 1, "layer": "color", "mags": [[1, 1, 1]], "bricks": [[0, 0, 0, 0]]})
    assert sent.messages.empty()


def test_it_shows_itself_in_words(viewer):
    viewer.position = (10, 11, 12)
    assert repr(viewer) == "<Viewer of 'small' at 10, 11, 12, zoom 3>"
