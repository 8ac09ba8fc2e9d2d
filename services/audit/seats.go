package audit

import (
	"bytes"
	"fmt"

	"interlock/services/ledger"
	"interlock/services/rail"
	"interlock/services/seatmap"
)

// openMaps makes the maps that the live tickets are sold in.
func (v *verifier) openMaps() {
	train := v.Run.Train
	v.tickets, v.sold = map[rail.SeatClass]*seatmap.Map{}, map[rail.SeatClass][]int{}
	for _, class := range train.Formation.Classes {
		v.tickets[class] = seatmap.New(train.Legs(), len(train.Formation.Seats(class)))
		v.sold[class] = make([]int, train.Legs())
	}
}

// verifyTickets checks the seats of an order against its train. It sells those of a live order in the map of all
// tickets, which refuses a seat that is sold.
func (v *verifier) verifyTickets(o *ledger.WrittenOrder) {
	fits := true
	if o.Train != nil && !o.Train.Sellable(o.From, o.To) {
		v.order(CheckTicket, o, "it goes from call %d to call %d, which its train does not sell", o.From+1, o.To+1)
		fits = false
	}
	if o.State.Live() && v.Run != nil && o.TrainID != v.Run.Train.ID {
		v.order(CheckTicket, o, "it was placed on another train than the run has now")
		fits = false
	}
	for i := range o.Tickets {
		live := isLive(o, i)
		if live {
			v.report.Tickets++
		}
		seat := o.Train != nil && v.verifySeat(o, i)
		if live && v.Run != nil {
			v.sell(o, i, seat && fits)
		}
	}
}

// isLive tells whether a ticket still has its seat: its order is live, and it did not end by itself.
func isLive(o *ledger.WrittenOrder, i int) bool { return o.State.Live() && o.Tickets[i].Own.OwnsSeat() }

// verifySeat checks that a ticket's seat is one of its train, and tells whether it is.
func (v *verifier) verifySeat(o *ledger.WrittenOrder, i int) bool {
	ticket := &o.Tickets[i]
	seats := o.Train.Formation.Seats(ticket.SeatClass)
	if ticket.SeatIndex < 0 || ticket.SeatIndex >= len(seats) {
		v.ticket(CheckTicket, o, i, "it has seat %d of %q, of which there are %d", ticket.SeatIndex, ticket.SeatClass,
			len(seats))
		return false
	}
	if ref := seats[ticket.SeatIndex]; ref.Coach.Number != ticket.Coach || ref.Seat.Label != ticket.Seat {
		v.ticket(CheckTicket, o, i, "it says coach %s seat %s, but its seat in the map is coach %s seat %s",
			ticket.Coach, ticket.Seat,
			ref.Coach.Number, ref.Seat.Label)
		return false
	}
	return true
}

// sell counts a live ticket, and sells its seat where it fits its train.
func (v *verifier) sell(o *ledger.WrittenOrder, i int, fits bool) {
	ticket := &o.Tickets[i]
	for leg := max(o.From, 0); leg < min(o.To, len(v.sold[ticket.SeatClass])); leg++ {
		v.sold[ticket.SeatClass][leg]++
	}
	if !fits {
		return
	}
	if err := v.tickets[ticket.SeatClass].Sell(ticket.SeatIndex, o.From, o.To); err != nil {
		v.ticket(CheckOverlap, o, i,
			"it has the seat from call %d to call %d, and so has another order on some leg of it", o.From+1, o.To+1)
	}
}

// verifyMaps holds the maps against the tickets, and returns what is left by the tickets.
func (v *verifier) verifyMaps() *rail.Availability {
	train := v.Run.Train
	classes := train.Formation.Classes
	left := &rail.Availability{
		RunID: v.ID, TrainID: train.ID, Version: v.Version, Status: v.Run.Status,
		Counts: make([]uint16, rail.Pairs(len(train.Calls))*len(classes)),
	}
	for i, class := range classes {
		v.verifyMap(class)
		v.tickets[class].Counts(left.Counts, len(classes), i)
	}
	return left
}

// verifyMap holds the ledger's seat map of a class against the one that the tickets make. On each leg, its free seats
// and the tickets must add up to the seats of the coaches.
func (v *verifier) verifyMap(class rail.SeatClass) {
	legs, seats := v.Run.Train.Legs(), v.Run.Train.Formation.Seats(class)
	stored := seatmap.New(legs, len(seats))
	if bits := v.Maps[class]; bits != nil {
		var err error
		if stored, err = seatmap.Decode(legs, len(seats), bits); err != nil {
			v.wrong(CheckMap, "the map of %s cannot be read: %v", class, err)
			return
		}
	}
	if !bytes.Equal(stored.Encode(), v.tickets[class].Encode()) {
		v.compareMaps(class, stored)
	}
	for leg := range legs {
		if free := stored.Remaining(leg, leg+1); v.sold[class][leg]+free != len(seats) {
			v.wrong(CheckCapacity, "%s on leg %d: %d sold by the tickets and %d free by the map are not %d seats",
				class, leg+1,
				v.sold[class][leg], free, len(seats))
		}
	}
}

// compareMaps names every seat and leg on which the ledger's map and that of the tickets are not equal.
func (v *verifier) compareMaps(class rail.SeatClass, stored *seatmap.Map) {
	for seat, ref := range v.Run.Train.Formation.Seats(class) {
		for leg := range v.Run.Train.Legs() {
			inMap, inTickets := !stored.IsFree(seat, leg, leg+1), !v.tickets[class].IsFree(seat, leg, leg+1)
			if inMap == inTickets {
				continue
			}
			d := Defect{Check: CheckMap, Run: v.ID, Coach: ref.Coach.Number, Seat: ref.Seat.Label}
			d.Message = fmt.Sprintf("leg %d is sold in the map, and no live ticket has it", leg+1)
			if inTickets {
				d.Message = fmt.Sprintf("leg %d is free in the map, and a live ticket has it", leg+1)
			}
			v.report.add(d)
		}
	}
}
