package seats

import (
	"interlock/services/rail"
	"interlock/services/seatmap"
)

// Cabin is the seats of one class of one train: what a Seller has to sell on one run.
type Cabin struct {
	Class rail.SeatClass
	// Metres are the distances of the train's calls from its origin.
	Metres []int32
	Seats  int
	Layout *seatmap.Layout
}

// NewCabin is a class of a train whose calls all have a distance.
func NewCabin(train *rail.Train, class rail.SeatClass) *Cabin {
	c := &Cabin{
		Class: class, Seats: len(train.Formation.Seats(class)), Layout: seatmap.NewLayout(train.Formation, class),
	}
	for i := range train.Calls {
		c.Metres = append(c.Metres, train.Calls[i].Metres)
	}
	return c
}

// Legs is how many legs there are to sell.
func (c *Cabin) Legs() int { return len(c.Metres) - 1 }

// SeatMetres is how much there is to sell.
func (c *Cabin) SeatMetres() int64 { return int64(c.Seats) * int64(c.Metres[c.Legs()]-c.Metres[0]) }

// demanded is what a party asks for, in seat-metres.
func (c *Cabin) demanded(p Party) int64 {
	return int64(p.Size()) * int64(c.Metres[p.To]-c.Metres[p.From])
}

// Party is people who travel together: all of them get a seat, or none.
type Party struct {
	// From and To are the calls where they board and alight.
	From, To int
	// Wishes are one for each of them.
	Wishes []rail.Wish
}

// Size is how many they are.
func (p Party) Size() int { return len(p.Wishes) }
