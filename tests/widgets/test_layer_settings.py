from __future__ import annotations

import math

import pytest

from wk_jupyter.errors import InvalidInput, LayerNotFound
from wk_jupyter.widgets.layer_settings import SETTINGS, checked

GOOD = [
    ("visible", False, False),
    ("opacity", 0, 0),
    ("opacity", 100, 100),
    ("opacity", 12.5, 12.5),
    ("color", (255, 0, 128), [255, 0, 128]),
    ("color", [0.4, 254.6, 3], [0, 255, 3]),
    ("color", "#ff8000", [255, 128, 0]),
    ("intensity_range", (10, 200), [10, 200]),
    ("intensity_range", (-5.5, -5.5), [-5.5, -5.5]),
    ("intensity_range", None, None),
    ("gamma", 0.5, 0.5),
    ("inverted", True, True),
    ("interpolation", True, True),
]
BAD = [
    ("visible", 1),
    ("visible", "yes"),
    ("opacity", -1),
    ("opacity", 100.5),
    ("opacity", "50"),
    ("opacity", True),
    ("opacity", math.nan),
    ("opacity", None),
    ("color", (1, 2)),
    ("color", (1, 2, 256)),
    ("color", "red"),
    ("color", "#ggg000"),
    ("color", "#ff80000"),
    ("intensity_range", (200, 10)),
    ("intensity_range", (0, math.inf)),
    ("intensity_range", (0, 1, 2)),
    ("intensity_range", 5),
    ("gamma", 0),
    ("gamma", 11),
    ("inverted", 0),
    ("interpolation", "smooth"),
]


@pytest.mark.parametrize(("name", "value", "kept"), GOOD)
def test_good_settings_are_taken(dataset, name, value, kept):
    viewer = dataset.view()
    setattr(viewer.layers["color"], name, value)
    assert getattr(viewer.layers["color"], name) == kept
    assert viewer.get_state("layer_settings")["layer_settings"]["color"][SETTINGS[name][0]] == kept
    viewer.close()


@pytest.mark.parametrize(("name", "value"), BAD)
def test_bad_settings_are_refused_and_named(dataset, name, value):
    viewer = dataset.view()
    before = viewer.layer_settings
    with pytest.raises(InvalidInput) as caught:
        setattr(viewer.layers["color"], name, value)
    assert name in str(caught.value)
    assert "'color'" in str(caught.value)
    assert SETTINGS[name][2] in str(caught.value)
    assert viewer.layer_settings == before
    viewer.close()


def test_settings_may_be_called_as_the_page_calls_them():
    assert checked({"intensityRange": (1, 2)}, "x") == checked({"intensity_range": (1, 2)}, "x")


def test_unknown_settings_and_layers_are_named_with_those_there_are(dataset):
    viewer = dataset.view()
    with pytest.raises(InvalidInput, match=r"no setting 'brightness'.*opacity"):
        viewer.layers["color"].brightness = 3
    with pytest.raises(AttributeError, match="brightness"):
        viewer.layers["color"].brightness  # noqa: B018
    with pytest.raises(LayerNotFound, match=r"'colour'.*'color'"):
        viewer.layers["colour"]
    with pytest.raises(InvalidInput, match=r"'colour'.*color"):
        viewer.layer_settings = {"colour": {"opacity": 1}}
    viewer.close()


def test_several_settings_change_at_once_and_others_stay(dataset):
    viewer = dataset.view()
    seen = []
    viewer.observe(lambda change: seen.append(change["new"]), "layer_settings")
    viewer.layers["color"].update(opacity=10, visible=False)
    assert len(seen) == 1
    assert viewer.layers["color"].color == [1, 2, 3]
    viewer.layer_settings = {"ids": {"opacity": 5}}
    assert viewer.layers["ids"].visible is True
    assert viewer.layers["color"].opacity == 10
    viewer.close()


def test_layers_are_a_mapping_that_completes_and_shows_itself(dataset):
    viewer = dataset.view()
    assert list(viewer.layers) == ["color", "ids"]
    assert len(viewer.layers) == 2
    assert viewer.layers._ipython_key_completions_() == ["color", "ids"]
    assert {"opacity", "intensity_range", "update"} <= set(dir(viewer.layers["color"]))
    assert "opacity=70" in repr(viewer.layers)
    viewer.close()
