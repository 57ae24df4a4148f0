/*
 * A user of the set, in a file of its own as users are: it writes records of 64 bytes, one call each.
 */
#include "incumbent.h"

struct record {
	uint64_t words[8];
};

bool NAME(save)(struct cursor *cursor, const struct record *records, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		struct record *slot = NAME(write)(cursor);

		if (!slot)
			return false;
		*slot = records[i];
	}
	NAME(finalize)(cursor);
	return true;
}
