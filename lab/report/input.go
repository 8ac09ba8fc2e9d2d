package report

import (
	"encoding/json"
	"errors"
	"fmt"

	"interlock/lab/attack"
	"interlock/lab/search"
	"interlock/lab/seats"
	"interlock/lab/sell"
	"interlock/lab/watch"
)

// Input is what the pages are made of. What is nil was not measured.
type Input struct {
	Sell   *sell.Report
	Seats  *seats.Report
	Search *search.Report
	Watch  *watch.Report
	Attack *attack.Report
	// Notes are taken over as they are; empty: none.
	Notes string
}

// ErrUnknown says that a document is none of ours.
var ErrUnknown = errors.New("not what lab sell, seats, search, watch or attack prints")

// ErrTwice says that there are two documents of one kind.
var ErrTwice = errors.New("a second document of its kind")

// Add reads one document and finds out by its keys which it is.
func (in *Input) Add(document []byte) error {
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(document, &keys); err != nil {
		return fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	has := func(key string) bool { return keys[key] != nil }
	switch {
	case has("double_sold"):
		if err := into(&in.Sell, document); err != nil {
			return err
		}
		if in.Seats == nil {
			in.Seats = in.Sell.Seats
		}
		return nil
	case has("min_ratio_to_reseating"):
		if in.Sell != nil && in.Seats == in.Sell.Seats {
			in.Seats = nil // A whole season goes before the short one of a sale.
		}
		return into(&in.Seats, document)
	case has("reconnect"):
		return into(&in.Watch, document)
	case has("attacks"):
		return into(&in.Attack, document)
	case has("busy"):
		return into(&in.Search, document)
	}
	return ErrUnknown
}

func into[T any](at **T, document []byte) error {
	if *at != nil {
		return ErrTwice
	}
	*at = new(T)
	return json.Unmarshal(document, *at)
}
