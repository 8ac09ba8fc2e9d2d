package audit

import (
	"context"
	"iter"

	"interlock/services/rail"
)

// pastAll comes after every run id, all of which are printable ASCII.
const pastAll rail.RunID = "\x7f"

// page is what is left of some runs.
type page struct {
	items []*rail.Availability
	// damage names runs among them that could not be read; nil where there is none.
	damage error
	// next is the run after which the next page begins, "" when there is none.
	next rail.RunID
}

// readPage reads a page. An error means that the ledger could not be asked.
func readPage(ctx context.Context, l Ledger, after rail.RunID, limit int) (page, error) {
	items, err := l.Availabilities(ctx, after, limit)
	if err != nil && len(items) == 0 && !isDamage(ctx, l, err) {
		return page{}, err
	}
	p := page{items: items, damage: err}
	if len(items) == limit {
		p.next = items[limit-1].RunID
	}
	return p, nil
}

// isDamage tells whether an error with no run beside it is about runs that cannot be read. Otherwise the ledger is
// away: then it says UNAVAILABLE, or fails as well after all run ids, where there is no run.
func isDamage(ctx context.Context, l Ledger, err error) bool {
	if rail.CodeOf(err) == rail.Unavailable || ctx.Err() != nil {
		return false
	}
	_, err = l.Availabilities(ctx, pastAll, 1)
	return err == nil
}

// pages reads all pages. An error, which is the last thing, means that the ledger could not be asked.
func pages(ctx context.Context, l Ledger, limit int) iter.Seq2[page, error] {
	return func(yield func(page, error) bool) {
		var after rail.RunID
		for {
			p, err := readPage(ctx, l, after, limit)
			if !yield(p, err) || err != nil || p.next == "" {
				return
			}
			after = p.next
		}
	}
}
