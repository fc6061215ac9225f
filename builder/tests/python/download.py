"""Reads a site as python-tuf's client does, and downloads one target.

download.py URL ROOT TARGET FOLDER: FOLDER keeps what was believed between two runs. Prints the custom fields, then
the file.
"""

import json
import pathlib
import sys

from tuf.ngclient import Updater

url, root, target, folder = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3], pathlib.Path(sys.argv[4])
(folder / "targets").mkdir(parents=True, exist_ok=True)
updater = Updater(
    metadata_dir=str(folder),
    metadata_base_url=url + "metadata/",
    target_dir=str(folder / "targets"),
    target_base_url=url + "targets/",
    bootstrap=root.read_bytes(),
)
updater.refresh()
info = updater.get_targetinfo(target)
if info is None:
    sys.exit(f"{target} is not listed")
print(json.dumps(info.custom))
print(updater.download_target(info))

