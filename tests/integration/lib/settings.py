"""Configurations for the tests: the one place that knows how the settings are spelled."""


def backends_of(origins):
    """Origins (or URLs, or ready-made dicts) to `backends` with ids b0, b1, ..."""
    backends = []
    for index, origin in enumerate(origins):
        if isinstance(origin, dict):
            backends.append({"id": f"b{index}", **origin})
        else:
            url = origin if isinstance(origin, str) else origin.url
            backends.append({"id": f"b{index}", "url": url})
    return backends


def config_of(origins, directory, **sections):
    """A whole configuration but for the listener: one worker, logs into `directory`. Only a signal
    reloads it, as the file's own change might come before it or behind it."""
    config = {
        "workers": 1,
        # The default port is one, and tests run side by side.
        "admin": {"enabled": False},
        "backends": backends_of(origins),
        "timeouts": {"drain": 3000},
        "reload": {"watch": False},
        "logging": {
            "errorLog": {"enabled": True, "directory": str(directory),
                         "filePattern": "log_yyyy_mm_dd_HH.log", "level": "info"},
            "accessLog": {"enabled": True, "directory": str(directory),
                          "filePattern": "access_yyyy_mm_dd_HH.log"},
        },
    }
    for key, value in sections.items():
        if isinstance(value, dict) and isinstance(config.get(key), dict):
            config[key] = {**config[key], **value}
        else:
            config[key] = value
    return config
