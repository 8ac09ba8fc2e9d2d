package sqlledger

import (
	"slices"
	"sync"
	"weak"
)

// minSweep is the size below which a cache's forgotten entries do not matter.
const minSweep = 1_024

// weakCache shares values that never change, by their ids. It holds them weakly: one that is not used any more is
// forgotten.
type weakCache[T any] struct {
	mu     sync.Mutex
	values map[string]weak.Pointer[T]
	// sweepAt is the size at which forgotten entries are looked for next.
	sweepAt int
}

func newWeakCache[T any]() *weakCache[T] {
	return &weakCache[T]{values: map[string]weak.Pointer[T]{}, sweepAt: minSweep}
}

// get is the value with an id, nil where the cache has none.
func (c *weakCache[T]) get(id string) *T {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.values[id].Value()
}

// put keeps a value and returns it. If another goroutine was first, it returns that one's.
func (c *weakCache[T]) put(id string, value *T) *T {
	c.mu.Lock()
	defer c.mu.Unlock()
	if first := c.values[id].Value(); first != nil {
		return first
	}
	c.values[id] = weak.Make(value)
	c.sweep()
	return value
}

// sweep removes the ids of forgotten values, each time the cache has doubled.
func (c *weakCache[T]) sweep() {
	if len(c.values) < c.sweepAt {
		return
	}
	for id, p := range c.values {
		if p.Value() == nil {
			delete(c.values, id)
		}
	}
	c.sweepAt = max(minSweep, 2*len(c.values))
}

// load finds values, in the cache or by read, which gets at most maxIDs ids and tells of each that is there.
// broken says why some of them cannot be read: one that is damaged must not hide the others.
func (c *weakCache[T]) load(
	ids []string, read func(ids []string, each func(id string, value *T, problem error)) error,
) (found map[string]*T, broken map[string]error, err error) {
	found, broken = make(map[string]*T, len(ids)), map[string]error{}
	var missing []string
	for _, id := range slices.Compact(slices.Sorted(slices.Values(ids))) {
		if value := c.get(id); value != nil {
			found[id] = value
		} else {
			missing = append(missing, id)
		}
	}
	for chunk := range slices.Chunk(missing, maxIDs) {
		err := read(chunk, func(id string, value *T, problem error) {
			if problem != nil {
				broken[id] = problem
			} else {
				found[id] = c.put(id, value)
			}
		})
		if err != nil {
			return nil, nil, err
		}
	}
	return found, broken, nil
}
