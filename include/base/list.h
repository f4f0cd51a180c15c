/* An intrusive doubly linked list: the node lives in the object, so joining and leaving a list
 * costs no memory and no search. The head is a node that points at itself when empty. */
#ifndef NEXTPROXY_BASE_LIST_H
#define NEXTPROXY_BASE_LIST_H

#include "base/assert.h"

struct list {
    struct list *next;
    struct list *previous;
};

static inline void list_init(struct list *node)
{
    node->next = node;
    node->previous = node;
}

static inline bool list_empty(const struct list *head)
{
    return head->next == head;
}

static inline void list_insert_after(struct list *at, struct list *node)
{
    node->next = at->next;
    node->previous = at;
    at->next->previous = node;
    at->next = node;
}

static inline void list_push_front(struct list *head, struct list *node)
{
    list_insert_after(head, node);
}

static inline void list_push_back(struct list *head, struct list *node)
{
    list_insert_after(head->previous, node);
}

/* Takes the node out of whatever list it is in; harmless when it is in none. */
static inline void list_remove(struct list *node)
{
    node->previous->next = node->next;
    node->next->previous = node->previous;
    list_init(node);
}

static inline struct list *list_pop_front(struct list *head)
{
    ASSERT(!list_empty(head));
    struct list *node = head->next;
    list_remove(node);
    return node;
}

/* Moves all nodes of `from`, in order, to the end of `head`; `from` is empty afterwards. */
static inline void list_splice_back(struct list *head, struct list *from)
{
    if (list_empty(from))
        return;
    from->next->previous = head->previous;
    head->previous->next = from->next;
    from->previous->next = head;
    head->previous = from->previous;
    list_init(from);
}

/* Visits every node; `node` may be removed in the body because `next` is read first. */
#define list_each(node, following, head)                                                           \
    for (struct list *node = (head)->next, *following = node->next; node != (head);                \
         node = following, following = node->next)

#endif
