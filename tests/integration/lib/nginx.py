"""A real nginx as an origin, on a free port, stopped by its pid."""
import os
import pathlib
import shutil
import subprocess
import time

from lib.process import Process
from lib.proxy import connects, port_free
from lib.wire import WAIT_SECONDS

# Debian's place first: sbin is not in everybody's PATH.
PROGRAM = next((path for path in ("/usr/sbin/nginx", shutil.which("nginx")) if path
                and os.access(path, os.X_OK)), None)

CONFIG = """
daemon off;
master_process off;
pid nginx.pid;
error_log error.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    types {{ text/plain txt; application/octet-stream bin; }}
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    client_max_body_size 0;
    gzip on; gzip_types text/plain; gzip_min_length 100; gzip_proxied any;
    server {{
        listen 127.0.0.1:{port};
        root files;
        location /old {{ keepalive_timeout 0; alias files/; }}
        location /say {{ return 200 "$request_method $http_host $http_x_forwarded_for"; }}
        location /moved {{ return 301 /elsewhere; }}
        location /nothing {{ return 204; }}
        location /abrupt {{ return 444; }}
    }}
}}
"""


class Nginx(Process):
    """Serves `files` (a folder that the test fills)."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.files = self.directory / "files"
        self.files.mkdir(parents=True)
        port = port_free()
        (self.directory / "nginx.conf").write_text(CONFIG.format(port=port))
        super().__init__([PROGRAM, "-e", "stderr", "-p", str(self.directory), "-c", "nginx.conf"],
                         port, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        deadline = time.monotonic() + WAIT_SECONDS
        while not connects(("127.0.0.1", self.port)):
            assert self.process.poll() is None, self.process.stderr.read()
            assert time.monotonic() < deadline, "nginx does not accept"
            time.sleep(0.01)
