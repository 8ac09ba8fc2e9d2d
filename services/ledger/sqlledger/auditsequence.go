package sqlledger

import (
	"context"
)

// sequence reads the rows of a table in the order of their runs and keys, a page at a time.
type sequence[T any] struct {
	t *transaction
	// at is the run of the last row that was read, or what comes before all of them; to is the last run.
	at, to string
	limit  int
	read   func(ctx context.Context, condition string, args ...any) ([]T, error)
	// following is the condition and order for what comes after the run at, rest for what comes in it after a row.
	following string
	rest      func(last T) (string, []any)
	runOf     func(T) string

	page []T
	last *T
	done bool
}

// peek is the next row; nil after the last.
func (s *sequence[T]) peek(ctx context.Context) (*T, error) {
	if len(s.page) == 0 && !s.done {
		if err := s.fill(ctx); err != nil {
			return nil, err
		}
	}
	if len(s.page) == 0 {
		return nil, nil
	}
	return &s.page[0], nil
}

// peekOf is the next row if it is of a run, else nil.
func (s *sequence[T]) peekOf(ctx context.Context, run string) (*T, error) {
	next, err := s.peek(ctx)
	if err != nil || next == nil || s.runOf(*next) != run {
		return nil, err
	}
	return next, nil
}

func (s *sequence[T]) next() { s.page = s.page[1:] }

func (s *sequence[T]) fill(ctx context.Context) error {
	var page []T
	if s.last != nil {
		condition, args := s.rest(*s.last)
		var err error
		if page, err = s.read(ctx, "run_id = ? AND "+condition+" LIMIT ?",
			append(append([]any{s.at}, args...), s.limit)...); err != nil {
			return err
		}
	}
	if room := s.limit - len(page); room > 0 {
		more, err := s.read(ctx, s.following+" LIMIT ?", s.at, s.to, room)
		if err != nil {
			return err
		}
		s.done = len(more) < room
		page = append(page, more...)
	}
	if len(page) > 0 {
		last := page[len(page)-1]
		s.last, s.at = &last, s.runOf(last)
	}
	s.page = page
	return nil
}
