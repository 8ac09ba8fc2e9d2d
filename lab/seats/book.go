package seats

import (
	"errors"
	"fmt"
)

// Both say that a seller is wrong.
var (
	// ErrSoldTwice says that a seat was sold to two on one leg.
	ErrSoldTwice = errors.New("a seat was sold twice")
	// ErrSoldOver says that more was sold on a leg than there are seats.
	ErrSoldOver = errors.New("more was sold than there is")
)

// Book is what one seller sold of one cabin, checked with each entry.
type Book struct {
	cabin *Cabin
	seats []legSet
	legs  []int
	// SeatMetres is how much was sold.
	SeatMetres int64
}

// NewBook is an empty book.
func NewBook(c *Cabin) *Book {
	return &Book{cabin: c, seats: make([]legSet, c.Seats), legs: make([]int, c.Legs())}
}

// Enter notes a sale. The error is ErrSoldTwice or ErrSoldOver for a sale that cannot be right. The book is of no more
// use then.
func (b *Book) Enter(p Party, seats []int) error {
	if seats != nil && len(seats) != p.Size() {
		return fmt.Errorf("%d seats for a party of %d: %w", len(seats), p.Size(), ErrSoldOver)
	}
	legs := legsOf(p.From, p.To)
	for _, seat := range seats {
		if seat < 0 || seat >= len(b.seats) {
			return fmt.Errorf("seat %d of %d: %w", seat, len(b.seats), ErrSoldOver)
		}
		if b.seats[seat].meets(&legs) {
			return fmt.Errorf("seat %d from call %d to call %d: %w", seat, p.From, p.To, ErrSoldTwice)
		}
		b.seats[seat].add(&legs)
	}
	for leg := p.From; leg < p.To; leg++ {
		if b.legs[leg] += p.Size(); b.legs[leg] > len(b.seats) {
			return fmt.Errorf("%d passengers on leg %d for %d seats: %w", b.legs[leg], leg, len(b.seats), ErrSoldOver)
		}
	}
	b.SeatMetres += b.cabin.demanded(p)
	return nil
}
