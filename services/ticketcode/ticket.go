// Package ticketcode makes and reads the code on a ticket: what the ticket says, signed, as letters and as an Aztec
// symbol. Whoever has the public keys can check a code without a network. The format is Interlock's own
// (docs/decisions/0078): other railways' devices do not read it.
package ticketcode

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"interlock/services/rail"
)

// Ticket is what a code says.
type Ticket struct {
	RunID rail.RunID
	// OrderID is the order's id, which begins with the run's.
	OrderID string
	// Index is the ticket's place in its order, from 0 to 8.
	Index int
	// From and To are the positions of the calls where the passenger boards and alights, from 0 at the origin.
	From, To int
	// FromStation and ToStation are the codes of the stations there.
	FromStation, ToStation string
	Coach, Seat            string
	// DocumentTail is the last TailLength characters of the number of the passenger's document: letters A to Z and
	// digits. See DocumentTail.
	DocumentTail string
	// ValidFrom and ValidUntil are whole minutes in UTC, from 1970 to 9999: the first instant at which the ticket is
	// valid, and the first at which it no longer is.
	ValidFrom, ValidUntil time.Time
}

// TailLength is how many characters of a document's number are in a code. That is enough to tell the passengers of a
// coach apart, and as much as a ticket on paper shows.
const TailLength = 4

const (
	// maxCode and maxLabel are the bounds that rail has for the codes of stations, and for what is painted on coaches
	// and seats, in characters.
	maxCode  = 64
	maxLabel = 8
)

// maxTime is the first minute that no date has room for.
var maxTime = time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)

// ValidAt tells whether the ticket is valid at an instant. It asks the times in the ticket alone: a ticket that was
// given back since is still valid for it.
func (t Ticket) ValidAt(now time.Time) bool {
	return !now.Before(t.ValidFrom) && now.Before(t.ValidUntil)
}

// DocumentTail is the part of a document's number that goes into a code. It is "" for a number that is too short to
// be one.
func DocumentTail(number string) string {
	if len(number) < TailLength {
		return ""
	}
	return number[len(number)-TailLength:]
}

// normalize makes whole minutes of the times, so that the ticket is valid no shorter than before.
func (t Ticket) normalize() Ticket {
	t.ValidFrom = t.ValidFrom.UTC().Truncate(time.Minute)
	until := t.ValidUntil.UTC().Truncate(time.Minute)
	if until.Before(t.ValidUntil) {
		until = until.Add(time.Minute)
	}
	t.ValidUntil = until
	return t
}

// validate says what is wrong with a ticket. Signing and reading ask the same, so that nothing is signed that would not
// be read.
func (t Ticket) validate() error {
	run, ok := rail.RunOfOrder(t.OrderID)
	switch {
	case !t.RunID.Valid():
		return errors.New("the run's id is not one")
	case !ok || run != t.RunID || len(t.OrderID)-len(run)-1 > rail.MaxOrderIDTail:
		return errors.New("the order's id is not one of the run's")
	case t.Index < 0 || t.Index >= rail.MaxPassengers:
		return fmt.Errorf("an order has tickets 0 to %d, not %d", rail.MaxPassengers-1, t.Index)
	case t.From < 0 || t.To <= t.From || t.To >= rail.MaxCalls:
		return fmt.Errorf("no ticket goes from call %d to call %d", t.From, t.To)
	case !isTail(t.DocumentTail):
		return fmt.Errorf("the document's number ends with %d letters A to Z and digits", TailLength)
	case t.ValidFrom.Before(time.Unix(0, 0)) || !t.ValidFrom.Before(t.ValidUntil) || t.ValidUntil.After(maxTime):
		return errors.New("the ticket is valid from 1970 to 9999, and begins to be before it ends")
	}
	for _, text := range []struct {
		what, text string
		most       int
	}{
		{"a station's code", t.FromStation, maxCode},
		{"a station's code", t.ToStation, maxCode},
		{"a coach's number", t.Coach, maxLabel},
		{"a seat's label", t.Seat, maxLabel},
	} {
		if wrong := rail.CheckText(text.what, text.text, text.most); wrong != nil {
			return errors.New(wrong.Message)
		}
	}
	return nil
}

func isTail(tail string) bool {
	return len(tail) == TailLength && strings.Trim(tail, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == ""
}
