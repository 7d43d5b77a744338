"""Run by the peers' Python: manages datasets through the official client, says in JSON what it saw."""

from __future__ import annotations

import json
import sys

import webknossos as wk


def people(seen: dict) -> None:
    me = wk.User.get_current_user()
    seen["admin"] = [me.is_admin, me.organization_id]
    wk.Team.add("reviewers")
    team = wk.Team.get_by_name("reviewers")
    seen["teams"] = sorted(each.name for each in wk.Team.get_list())
    team.add_user(me)
    me = wk.User.get_by_id(me.user_id)
    me.assign_team_roles("reviewers", is_team_manager=True)
    seen["member"] = sorted(each.name for each in wk.User.get_current_user().teams)
    seen["users"] = [user.user_id == me.user_id for user in wk.User.get_all_managed_users()]
    seen["logged"] = me.get_logged_times()


def folders(seen: dict) -> None:
    root = wk.RemoteFolder.get_root()
    year = root.add_subfolder("2026")
    march = year.add_subfolder("March")
    march.name = "April"
    march.allowed_teams = [wk.Team.get_by_name("reviewers")]
    march.metadata["microscope"] = "SBEM"
    found = wk.RemoteFolder.get_by_path(f"{root.name}/2026/April")
    seen["folder"] = [found.id == march.id, found.name, [team.name for team in found.allowed_teams]]
    seen["folder_metadata"] = found.metadata["microscope"]
    spare = root.add_subfolder("spare")
    spare.move_to(year)
    seen["subfolders"] = sorted(each.name for each in year.get_subfolders())
    spare.delete()
    seen["left"] = sorted(each.name for each in year.get_subfolders())


def settings(seen: dict) -> None:
    dataset = wk.RemoteDataset.open("cells")
    dataset.name = "Cortex β"
    dataset.description = "A *fine* cortex"
    dataset.tags = ["EM", "mouse"]
    dataset.is_public = True
    dataset.allowed_teams = [wk.Team.get_by_name("reviewers")]
    dataset.folder = wk.RemoteFolder.get_by_path(f"{wk.RemoteFolder.get_root().name}/2026/April")
    dataset.metadata["species"] = "mouse"
    dataset.metadata["age"] = 12
    dataset.metadata["doi"] = ["a", "b"]
    again = wk.RemoteDataset.open(dataset_id=dataset.dataset_id)
    seen["dataset"] = {
        "name": again.name,
        "description": again.description,
        "tags": list(again.tags),
        "public": again.is_public,
        "teams": [team.name for team in again.allowed_teams],
        "folder": again.folder.name,
        "metadata": {key: again.metadata[key] for key in ("species", "age", "doi")},
    }
    april = dataset.folder
    seen["in_folder"] = [each.name for each in april.get_datasets().values()]
    by_tag = wk.RemoteDataset.list(tags="mouse")
    seen["by_tag"] = [each.name for each in by_tag.values()]
    dataset.is_public = False
    token = dataset.sharing_token
    seen["sharing"] = [len(token) >= 22, token == again.sharing_token]
    seen["shared_url"] = f"{dataset.url}?token={token}"


def layers(seen: dict) -> None:
    dataset = wk.RemoteDataset.open("Cortex β")
    color = dataset.get_layer("color")
    color.default_view_configuration = wk.LayerViewConfiguration(color=(255, 0, 0), intensity_range=(3, 200))
    dataset.default_view_configuration = wk.DatasetViewConfiguration(zoom=2.5, position=(10, 20, 30))
    segmentation = dataset.get_segmentation_layer("segmentation")
    segmentation.largest_segment_id = 2**61
    color.name = "EM"
    again = wk.RemoteDataset.open("Cortex β")
    seen["layers"] = sorted(again.layers)
    seen["view"] = [
        again.default_view_configuration.zoom,
        list(again.get_layer("EM").default_view_configuration.color),
    ]
    seen["largest"] = again.get_segmentation_layer("segmentation").largest_segment_id
    seen["voxels"] = int(again.get_layer("EM").get_mag("1").read().sum())


def attachments(seen: dict) -> None:
    def named() -> list[str]:
        layer = wk.RemoteDataset.open("Cortex β").get_segmentation_layer("segmentation")
        index = layer.attachments.segment_index
        return [each.name for each in (*layer.attachments.agglomerates, *([index] if index else []))]

    layer = wk.RemoteDataset.open("Cortex β").get_segmentation_layer("segmentation")
    seen["attached"] = [named()]
    mapping = layer.attachments.agglomerates[0]
    mapping = layer.attachments.rename_attachment(mapping, new_name="renamed") or mapping
    seen["attached"].append(named())
    again = wk.RemoteDataset.open("Cortex β").get_segmentation_layer("segmentation")
    again.attachments.delete_attachment(again.attachments.agglomerates[0])
    seen["attached"].append(named())
    again = wk.RemoteDataset.open("Cortex β").get_segmentation_layer("segmentation")
    again.attachments.delete_attachment(again.attachments.segment_index)
    seen["attached"].append(named())


def references(seen: dict) -> None:
    target, source = wk.RemoteDataset.open("rgb"), wk.RemoteDataset.open("Cortex β")
    target.add_layer_as_ref(source.get_layer("EM"), new_layer_name="borrowed")
    again = wk.RemoteDataset.open("rgb")
    seen["borrowed"] = int(again.get_layer("borrowed").get_mag("1").read().sum())
    again.delete_layer("borrowed")
    seen["after"] = sorted(wk.RemoteDataset.open("rgb").layers)
    seen["source_stays"] = sorted(wk.RemoteDataset.open("Cortex β").layers)


def deletion(seen: dict) -> None:
    wk.RemoteDataset.open("timelapse").delete()
    seen["deleted"] = "timelapse" not in [each.name for each in wk.RemoteDataset.list().values()]
    wk.Team.get_by_name("reviewers").delete()
    seen["teams_left"] = [each.name for each in wk.Team.get_list()]


def main(url: str, token: str) -> None:
    seen: dict[str, object] = {}
    wanted = sys.argv[3:]
    with wk.webknossos_context(url=url, token=token):
        for part in (people, folders, settings, layers, attachments, references, deletion):
            if not wanted or part.__name__ in wanted:
                part(seen)
    if "shared_url" in seen:
        with wk.webknossos_context(url=url, token=""):
            shared = wk.RemoteDataset.open(str(seen.pop("shared_url")))
            seen["shared"] = shared.name
    print(json.dumps(seen))


if __name__ == "__main__":
    main(*sys.argv[1:3])
