/*
 * Refusals: answers to requests for which no exchange is left, or none is to be spent. They cost no
 * slot, so their number is bounded by that of the clients alone: the page is written with the
 * worker's spare exchange, copied into leases (the request's own are free by then), and forgotten.
 */
#include "proxy/proxy_internal.h"

static void record(struct exchange *exchange)
{
    struct proxy *proxy = exchange->proxy;
    enum fault fault = (enum fault)exchange->fault;
    proxy->counters.faults[fault]++;
    if (fault == FAULT_EXHAUSTED) /* there may be thousands in a moment */
        record_refusal(proxy, "limits.exchanges requests are being served");
    else if (fault == FAULT_OVERLOADED)
        record_refusal(proxy, "overload, see the last line about it");
    else
        record_fault(exchange, fault, 0);
}

static struct exchange *spare_for(struct client *client, enum fault fault,
                                  const struct http_request *request)
{
    struct proxy *proxy = client->proxy;
    struct exchange *exchange = proxy->spare;
    exchange_init(exchange, client);
    exchange->response_block = proxy->spare_block;
    if (request && request->reject == HTTP_REJECT_NONE)
        exchange_note(exchange, request);
    else
        exchange_note_rejected(exchange, request);
    exchange->keep_client = false;
    exchange->fault = (u8)fault;
    forwarding_note_refused(exchange, request);
    return exchange;
}

void refusal_send(struct client *client, enum fault fault, const struct http_request *request,
                  struct lease_chain *data)
{
    struct ring *ring = client->proxy->ring;
    struct exchange *exchange = spare_for(client, fault, request);
    struct slice text = response_page_write(exchange);
    struct lease_chain page;
    lease_chain_init(&page);
    if (data)
        ring_chain_return(ring, data);
    record(exchange);
    if (ring_chain_write(ring, &page, text.data, text.len)) {
        exchange->response.sent_bytes = text.len;
        client_refuse(client, &page);
    } else {
        exchange->status = 0;
        client_close(client, true);
    }
    record_access(exchange);
}
