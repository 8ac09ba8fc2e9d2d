package audit

import (
	"context"
	"iter"

	"interlock/services/rail"
)

// pastAll comes after every run id, all of which are printable ASCII.
const pastAll rail.RunID = "\x7f"

// reader reads the items of runs after an id, at most limit of them; see Ledger for what its error means.
type reader[T any] func(ctx context.Context, after rail.RunID, limit int) ([]T, error)

// page is some runs' items.
type page[T any] struct {
	items []T
	// damage names runs among them that could not be read; nil where there is none.
	damage error
	// next is the run after which the next page begins, "" when there is none.
	next rail.RunID
	// again reads the same runs as they are now.
	again func() ([]T, error)
}

// readPage reads a page. An error means that the ledger could not be asked.
func readPage[T item](ctx context.Context, read reader[T], after rail.RunID, limit int) (page[T], error) {
	items, err := read(ctx, after, limit)
	if err != nil && len(items) == 0 && !isDamage(ctx, read, err) {
		return page[T]{}, err
	}
	p := page[T]{items: items, damage: err, again: func() ([]T, error) { return read(ctx, after, limit) }}
	if len(items) == limit {
		p.next = runOf(items[limit-1])
	}
	return p, nil
}

// isDamage tells whether an error with no run beside it is about runs that cannot be read. A ledger that is away says so,
// or has no answer either where no run can be in its way.
func isDamage[T any](ctx context.Context, read reader[T], err error) bool {
	if rail.CodeOf(err) == rail.Unavailable || ctx.Err() != nil {
		return false
	}
	_, err = read(ctx, pastAll, 1)
	return err == nil
}

// pages reads all pages. An error, which is the last thing, means that the ledger could not be asked.
func pages[T item](ctx context.Context, read reader[T], limit int) iter.Seq2[page[T], error] {
	return func(yield func(page[T], error) bool) {
		var after rail.RunID
		for {
			p, err := readPage(ctx, read, after, limit)
			if !yield(p, err) || err != nil || p.next == "" {
				return
			}
			after = p.next
		}
	}
}

// item is what a page is of.
type item interface {
	*rail.Availability | *rail.Books
}

func runOf[T item](i T) rail.RunID {
	switch i := any(i).(type) {
	case *rail.Availability:
		return i.RunID
	case *rail.Books:
		return i.Run.ID
	}
	panic("unreachable: item has no other type")
}
