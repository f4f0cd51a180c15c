/* Which route a request takes. The configuration holds the routes most specific first, so the first
 * one that matches is the answer; the default route at the end matches everything. */
#include "proxy/proxy_internal.h"

static bool host_matches(const struct config_route *route, struct slice host)
{
    if (route->host.len == 0)
        return true;
    if (!route->wildcard)
        return slice_equal_nocase(route->host, host);
    if (host.len <= route->host.len) /* "*" stands for at least one character */
        return false;
    struct slice tail = slice_of(host.data + (host.len - route->host.len), route->host.len);
    return slice_equal_nocase(route->host, tail);
}

/* A prefix matches whole segments: "/a" is for /a, /a/ and /a/b, not for /ab. */
static bool path_matches(struct slice prefix, struct slice path)
{
    if (prefix.len <= 1) /* "/" */
        return true;
    if (!slice_starts_with(path, prefix))
        return false;
    return path.len == prefix.len || prefix.data[prefix.len - 1] == '/' ||
           path.data[prefix.len] == '/';
}

u32 route_find(const struct config *config, struct slice host, struct slice path)
{
    if (host.len > 0 && host.data[host.len - 1] == '.') /* the same name, fully qualified */
        host.len--;
    u32 last = config->route_count - 1;
    for (u32 i = 0; i < last; i++) {
        const struct config_route *route = &config->routes[i];
        if (host_matches(route, host) && path_matches(route->path, path))
            return i;
    }
    return last;
}
