"""Run by the peers' Python: looks after folders through the official client, says in JSON what it saw."""

from __future__ import annotations

import json
import sys

import webknossos as wk


def main(url: str, token: str) -> None:
    seen: dict[str, object] = {}
    with wk.webknossos_context(url=url, token=token):
        root = wk.RemoteFolder.get_root()
        lab = root.add_subfolder("Lab")
        year = lab.add_subfolder("2026")
        other = root.add_subfolder("other")
        seen["same"] = wk.RemoteFolder.get_by_path(f"{root.name}/Lab/2026").id == year.id
        seen["children"] = [folder.name for folder in root.get_subfolders()]
        year.name = "2027"
        seen["renamed"] = wk.RemoteFolder.get_by_id(year.id).name
        team = next(team for team in wk.Team.get_list() if team.name == "default")
        lab.allowed_teams = [team]
        year.metadata = {"species": "mouse", "n": 3}
        year.metadata["stains"] = ["DAPI", "GFP"]
        lab.metadata["kept"] = "teams"
        seen["metadata"] = dict(wk.RemoteFolder.get_by_id(year.id).metadata)
        seen["teams"] = [team.name for team in wk.RemoteFolder.get_by_id(lab.id).allowed_teams]
        year.move_to(other)
        seen["parent"] = wk.RemoteFolder.get_by_path(f"{root.name}/other/2027").parent.name
        dataset = wk.RemoteDataset.open("rgb")
        dataset.folder = lab
        seen["datasets"] = [dataset.name for dataset in lab.get_datasets().values()]
        try:
            lab.delete()
        except Exception as error:  # noqa: BLE001 - whatever the client makes of a refusal
            seen["refused"] = str(error)
        dataset.folder = root
        for folder in (lab, year, other):
            folder.delete()
        seen["left"] = [folder.name for folder in root.get_subfolders()]
    print(json.dumps(seen))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
