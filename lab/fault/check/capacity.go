package check

import (
	"interlock/services/ledger"
	"interlock/services/rail"
	"interlock/services/seatmap"
)

// Capacity is C6. On every leg, the live tickets of a class and the seats that its map calls free add up to the seats
// of its coaches. Tickets are counted one by one, by their class alone.
func Capacity(snapshots []*ledger.AuditSnapshot) *Result {
	r := begin("C6")
	for _, b := range snapshots {
		formation := b.Run.Train.Formation
		sold := soldByLeg(b)
		for _, class := range formation.Classes {
			seats := len(formation.Seats(class))
			free, err := mapOf(b, class)
			if err != nil {
				r.wrong("%s: the map of %s cannot be read: %v", b.Run.ID, class, err)
				continue
			}
			for leg, n := range sold[class] {
				r.Looked++
				if left := free.Remaining(leg, leg+1); n+left != seats {
					r.wrong("%s, %s on leg %d: %d sold and %d free are not %d seats", b.Run.ID, class, leg+1, n,
						left, seats)
				}
			}
		}
	}
	return r
}

// soldByLeg is how many live tickets there are of each class on each leg.
func soldByLeg(b *ledger.AuditSnapshot) map[rail.SeatClass][]int {
	sold := map[rail.SeatClass][]int{}
	for _, class := range b.Run.Train.Formation.Classes {
		sold[class] = make([]int, b.Run.Train.Legs())
	}
	for _, order := range b.Live() {
		for i := range order.Tickets {
			ticket := &order.Tickets[i]
			if !ticket.Own.OwnsSeat() {
				continue
			}
			for leg := order.From; leg < order.To; leg++ {
				sold[ticket.SeatClass][leg]++
			}
		}
	}
	return sold
}

// mapOf is a class's seat map by the snapshots.
func mapOf(b *ledger.AuditSnapshot, class rail.SeatClass) (*seatmap.Map, error) {
	legs, seats := b.Run.Train.Legs(), len(b.Run.Train.Formation.Seats(class))
	if b.Maps[class] == nil {
		return seatmap.New(legs, seats), nil
	}
	return seatmap.Decode(legs, seats, b.Maps[class])
}
