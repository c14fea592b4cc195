"""graphite-web's settings: the render API on whisper's files and carbon's cache; no users of Django, nothing written."""

import secrets

SECRET_KEY = secrets.token_hex(32)  # nothing is signed that outlives the process
ALLOWED_HOSTS = ["*"]  # who may ask is decided by address, TLS and password
TIME_ZONE = "UTC"
DEBUG = False
GRAPHITE_ROOT = "/usr/share/graphite-web"
CONF_DIR = "/etc/carbon"
STORAGE_DIR = "/var/lib/graphite"
WHISPER_DIR = "/var/lib/graphite/whisper"
STANDARD_DIRS = [WHISPER_DIR]
INDEX_FILE = "/run/graphite/index"
LOG_DIR = "/run/graphite"
LOG_ROTATION = False
LOG_FILE_INFO = LOG_FILE_CACHE = LOG_FILE_RENDERING = "/dev/null"  # a line for each series of each request
LOG_FILE_EXCEPTION = "-"
LOG_CACHE_PERFORMANCE = LOG_RENDERING_PERFORMANCE = False
CARBONLINK_HOSTS = ["127.0.0.1:7002"]
CARBONLINK_TIMEOUT = 5.0
FIND_TIMEOUT, FETCH_TIMEOUT = 15.0, 30.0  # seconds; its own 3 and 6 are too few on a machine that is busy
# Its tables are made with the image and empty: /metrics/find looks for a profile of the user, and there are none.
DATABASES = {"default": {"NAME": "/run/graphite/graphite.db", "ENGINE": "django.db.backends.sqlite3"}}
TAGDB = None
FUNCTION_PLUGINS: list[str] = []
