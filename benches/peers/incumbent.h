/*
 * A model of the C original, for comparison: what it does, in the order in which it does it, written
 * anew from the description of its format and its costs. Where two ways are known, the faster one.
 *
 * A set is a doubly linked list of nodes, each allocated on its own and pointing to a block. Entries
 * are written and read by one call each. Restoring looks for a cycle with two pointers first, and
 * then walks the chain again.
 */
#ifndef INCUMBENT_H
#define INCUMBENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Compiled once for each compiler: PREFIX keeps the names apart. */
#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define NAME(name) JOIN(PREFIX, name)

struct header {
	uint64_t next;
	uint64_t count;
};

/* What the kernel's allocator does, called as a kernel calls it: never inlined. */
struct memory {
	void *context;
	void *(*alloc)(void *context, size_t size, uint64_t *addr);
	void (*unpreserve_free)(void *context, void *block, size_t size);
	void *(*restore)(void *context, uint64_t addr, size_t size);
	void (*restore_free)(void *context, void *block, size_t size);
	/* Pointer minus physical address, modulo 2^64. */
	uint64_t virt_offset;
};

struct node {
	struct node *next;
	struct node *prev;
	struct header *header;
};

struct set {
	struct node ends;
	const struct memory *memory;
	size_t block_size;
	size_t entry_size;
	size_t per_block;
	size_t blocks;
	uint64_t head;
	bool incoming;
};

struct cursor {
	struct set *set;
	struct node *node;
	size_t slot;
};

void NAME(init)(struct set *set, const struct memory *memory, size_t block_size, size_t entry_size);
int NAME(grow)(struct set *set, size_t entries);
void NAME(shrink)(struct set *set, size_t entries);
int NAME(restore)(struct set *set, uint64_t head);
void NAME(destroy)(struct set *set);

void NAME(begin)(struct cursor *cursor, struct set *set);
void *NAME(write)(struct cursor *cursor);
void *NAME(read)(struct cursor *cursor);
void *NAME(prev)(struct cursor *cursor);
void NAME(finalize)(struct cursor *cursor);

struct record;
bool NAME(save)(struct cursor *cursor, const struct record *records, size_t count);

#endif
