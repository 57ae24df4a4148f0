#include "incumbent.h"

#include <stdlib.h>

#define MAX_BLOCKS 10000

enum { NO_MEMORY = 12, INVALID = 22, NO_ROOM = 28 };

void NAME(init)(struct set *set, const struct memory *memory, size_t block_size, size_t entry_size)
{
	*set = (struct set){
		.memory = memory,
		.block_size = block_size,
		.entry_size = entry_size,
		.per_block = (block_size - sizeof(struct header)) / entry_size,
	};
	set->ends.next = set->ends.prev = &set->ends;
}

static int add_node(struct set *set, struct header *header)
{
	struct node *node = malloc(sizeof(*node));

	if (!node)
		return -NO_MEMORY;
	node->header = header;
	node->next = &set->ends;
	node->prev = set->ends.prev;
	node->prev->next = node;
	set->ends.prev = node;
	set->blocks++;
	return 0;
}

static void free_block(struct set *set, void *block)
{
	const struct memory *memory = set->memory;

	if (set->incoming)
		memory->restore_free(memory->context, block, set->block_size);
	else
		memory->unpreserve_free(memory->context, block, set->block_size);
}

static void drop_last(struct set *set)
{
	struct node *node = set->ends.prev;

	node->prev->next = &set->ends;
	set->ends.prev = node->prev;
	set->blocks--;
	if (set->blocks)
		set->ends.prev->header->next = 0;
	else
		set->head = 0;
	free_block(set, node->header);
	free(node);
}

static int add_block(struct set *set)
{
	const struct memory *memory = set->memory;
	struct node *last = set->ends.prev;
	struct header *header;
	uint64_t addr;
	int error;

	if (set->blocks >= MAX_BLOCKS)
		return -NO_ROOM;
	header = memory->alloc(memory->context, set->block_size, &addr);
	if (!header)
		return -NO_MEMORY;
	error = add_node(set, header);
	if (error) {
		free_block(set, header);
		return error;
	}
	if (last != &set->ends)
		last->header->next = addr;
	else
		set->head = addr;
	return 0;
}

int NAME(grow)(struct set *set, size_t entries)
{
	size_t before = set->blocks;

	while (set->blocks * set->per_block < entries) {
		int error = add_block(set);

		if (error) {
			while (set->blocks > before)
				drop_last(set);
			return error;
		}
	}
	return 0;
}

void NAME(shrink)(struct set *set, size_t entries)
{
	while (set->blocks && (set->blocks - 1) * set->per_block >= entries)
		drop_last(set);
}

void NAME(destroy)(struct set *set)
{
	struct node *node = set->ends.next;

	while (node != &set->ends) {
		struct node *next = node->next;

		free_block(set, node->header);
		free(node);
		node = next;
	}
	set->ends.next = set->ends.prev = &set->ends;
	set->blocks = 0;
	set->head = 0;
}

static struct header *at(const struct set *set, uint64_t addr)
{
	return (struct header *)(uintptr_t)(addr + set->memory->virt_offset);
}

static bool has_cycle(const struct set *set, uint64_t head)
{
	uint64_t slow = head;
	uint64_t fast = head;

	while (fast) {
		fast = at(set, fast)->next;
		if (!fast)
			return false;
		fast = at(set, fast)->next;
		slow = at(set, slow)->next;
		if (fast && fast == slow)
			return true;
	}
	return false;
}

int NAME(restore)(struct set *set, uint64_t head)
{
	const struct memory *memory = set->memory;
	uint64_t addr;
	int error;

	if (has_cycle(set, head))
		return -INVALID;
	set->incoming = true;
	set->head = head;
	for (addr = head; addr;) {
		struct header *header = memory->restore(memory->context, addr, set->block_size);

		if (!header) {
			error = -INVALID;
			goto undo;
		}
		if (header->count > set->per_block || set->blocks >= MAX_BLOCKS) {
			free_block(set, header);
			error = -INVALID;
			goto undo;
		}
		error = add_node(set, header);
		if (error) {
			free_block(set, header);
			goto undo;
		}
		addr = header->next;
	}
	return 0;

undo:
	NAME(destroy)(set);
	return error;
}

void NAME(begin)(struct cursor *cursor, struct set *set)
{
	*cursor = (struct cursor){ .set = set, .node = set->ends.next };
}

static void *entry(const struct cursor *cursor)
{
	char *first = (char *)(cursor->node->header + 1);

	return first + cursor->slot * cursor->set->entry_size;
}

void NAME(finalize)(struct cursor *cursor)
{
	if (cursor->node != &cursor->set->ends)
		cursor->node->header->count = cursor->slot;
}

void *NAME(write)(struct cursor *cursor)
{
	struct set *set = cursor->set;
	void *slot;

	if (cursor->node == &set->ends)
		return NULL;
	if (cursor->slot == set->per_block) {
		if (cursor->node->next == &set->ends)
			return NULL;
		NAME(finalize)(cursor);
		cursor->node = cursor->node->next;
		cursor->slot = 0;
	}
	slot = entry(cursor);
	cursor->slot++;
	return slot;
}

void *NAME(read)(struct cursor *cursor)
{
	struct set *set = cursor->set;
	void *slot;

	if (cursor->node == &set->ends)
		return NULL;
	while (cursor->slot == cursor->node->header->count) {
		if (cursor->node->next == &set->ends)
			return NULL;
		cursor->node = cursor->node->next;
		cursor->slot = 0;
	}
	slot = entry(cursor);
	cursor->slot++;
	return slot;
}

void *NAME(prev)(struct cursor *cursor)
{
	struct set *set = cursor->set;

	if (cursor->node == &set->ends)
		return NULL;
	while (!cursor->slot) {
		if (cursor->node->prev == &set->ends)
			return NULL;
		cursor->node = cursor->node->prev;
		cursor->slot = cursor->node->header->count;
	}
	cursor->slot--;
	return entry(cursor);
}
