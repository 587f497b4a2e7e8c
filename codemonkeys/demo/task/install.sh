# Nothing has to be built: a path file puts the package's source on the import path.
set -e
python -c 'import os, pathlib, sysconfig; pathlib.Path(sysconfig.get_path("purelib"), "humanize.pth").write_text(os.path.join(os.getcwd(), "src") + "\n")'
