/* Which route a request takes. The configuration holds the routes most specific first, so the first
 * one that matches is the answer; the default route at the end matches everything. A path with dot
 * segments is refused as soon as any route has a path: the backend might resolve them to a path of
 * another route. */
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
static bool path_matches(struct slice prefix, struct slice path, enum http_path kind)
{
    if (prefix.len <= 1) /* "/" */
        return true;
    if (UNLIKELY(kind != HTTP_PATH_PLAIN))
        return http_path_below(path, prefix);
    return slice_starts_with(path, prefix) &&
           (path.len == prefix.len || path.data[prefix.len] == '/');
}

u32 route_find(const struct config *config, struct slice host, struct slice path)
{
    if (host.len > 0 && host.data[host.len - 1] == '.') /* the same name, fully qualified */
        host.len--;
    enum http_path kind = config->routes_by_path ? http_path_judge(path) : HTTP_PATH_PLAIN;
    if (UNLIKELY(kind == HTTP_PATH_DOTS))
        return ROUTE_NONE;
    u32 last = config->route_count - 1;
    for (u32 i = 0; i < last; i++) {
        const struct config_route *route = &config->routes[i];
        if (host_matches(route, host) && path_matches(route->path, path, kind))
            return i;
    }
    return last;
}
