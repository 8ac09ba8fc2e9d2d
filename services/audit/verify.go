package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"interlock/services/rail"
	"interlock/services/seatmap"
)

// The checks of Verify.
const (
	// CheckOverlap: two live tickets have one seat on one leg.
	CheckOverlap = "overlap"
	// CheckTicket: a live ticket is for a seat or calls that its run does not have.
	CheckTicket = "ticket"
	// CheckMap: a seat map is not what the live tickets say.
	CheckMap = "map"
	// CheckCapacity: sold and free do not add up to the seats of a class.
	CheckCapacity = "capacity"
	// CheckPersonal: a passenger cannot be read, is missing without a mark, or is still there where it was forgotten.
	CheckPersonal = "personal"
	// CheckRedis: Redis is not what the ledger says at the same version, or stays behind it.
	CheckRedis = "redis"
)

// maxDefects bounds a report: whoever has a thousand defects has one problem.
const maxDefects = 1_000

// booksPage is how many runs are read at once; a run that is sold out has thousands of tickets.
const booksPage = 200

// settleTime is how long Redis may stay behind the ledger before Verify calls it wrong: repair promises a second.
// settlePoll is how often it looks meanwhile.
const (
	settleTime = 3 * time.Second
	settlePoll = 200 * time.Millisecond
)

// Defect is one promise that does not hold.
type Defect struct {
	Check string     `json:"check"`
	Run   rail.RunID `json:"run"`
	// Coach and Seat are empty where the defect is not of one seat.
	Coach   string `json:"coach"`
	Seat    string `json:"seat"`
	Message string `json:"message"`
}

// Report is what Verify found.
type Report struct {
	OK      bool     `json:"ok"`
	Runs    int      `json:"runs"`
	Tickets int      `json:"tickets"`
	Defects []Defect `json:"defects"`
}

func (r *Report) add(d Defect) {
	r.OK = false
	if len(r.Defects) < maxDefects {
		r.Defects = append(r.Defects, d)
	}
}

// Verify recomputes every promise from the tickets. It may run while seats are sold: each run is looked at at one
// version.
//
// An error means that it could not look. Where there is a report beside it, it could not look at some runs only, which
// the error names; the report is of all others, and not OK.
func (a *Auditor) Verify(ctx context.Context) (*Report, error) {
	report := &Report{OK: true, Defects: []Defect{}}
	var damage error
	for page, err := range pages(ctx, a.Ledger.Books, booksPage) {
		if err != nil {
			return nil, err
		}
		if page.damage != nil {
			report.OK = false
			damage = errors.Join(damage, page.damage)
		}
		lefts := make([]*rail.Availability, len(page.items))
		for i, books := range page.items {
			report.Runs++
			lefts[i] = verifyBooks(books, report)
		}
		if a.Cache != nil {
			if err := a.verifyRedis(ctx, page, lefts, report); err != nil {
				return nil, err
			}
		}
	}
	return report, damage
}

// verifyBooks checks one run's books, and says what is left by its tickets.
func verifyBooks(books *rail.Books, report *Report) *rail.Availability {
	run := books.Run
	train := run.Train
	tickets := map[rail.SeatClass]*seatmap.Map{}
	// sold counts the tickets of a class on each leg, whatever seat they name.
	sold := map[rail.SeatClass][]int{}
	for _, class := range train.Formation.Classes {
		tickets[class] = seatmap.New(train.Legs(), len(train.Formation.Seats(class)))
		sold[class] = make([]int, train.Legs())
	}
	for _, order := range books.Live {
		for i := range order.Tickets {
			ticket := &order.Tickets[i]
			report.Tickets++
			verifyTicket(run, order, ticket, tickets, report)
			for leg := max(order.From, 0); leg < min(order.To, len(sold[ticket.SeatClass])); leg++ {
				sold[ticket.SeatClass][leg]++
			}
		}
	}
	for _, p := range books.Personal {
		report.add(Defect{Check: CheckPersonal, Run: run.ID, Message: fmt.Sprintf("order %s, ticket %d: %s", p.OrderNumber, p.Ticket, p.Problem)})
	}
	left := &rail.Availability{
		RunID: run.ID, TrainID: train.ID, Version: books.Version, Status: run.Status,
		Counts: make([]uint16, rail.Pairs(len(train.Calls))*len(train.Formation.Classes)),
	}
	for i, class := range train.Formation.Classes {
		verifyMap(run, class, books.Maps[class], tickets[class], sold[class], report)
		tickets[class].Counts(left.Counts, len(train.Formation.Classes), i)
	}
	return left
}

// verifyTicket checks a ticket by itself and sells its seat in the map of all tickets, which refuses what is sold.
func verifyTicket(run *rail.Run, order *rail.Order, ticket *rail.Ticket, tickets map[rail.SeatClass]*seatmap.Map, report *Report) {
	defect := func(check, format string, arguments ...any) {
		report.add(Defect{Check: check, Run: run.ID, Coach: ticket.Coach, Seat: ticket.Seat, Message: fmt.Sprintf(format, arguments...)})
	}
	seats := run.Train.Formation.Seats(ticket.SeatClass)
	switch {
	case order.TrainID != run.Train.ID:
		defect(CheckTicket, "order %s was placed on another train than the run has now", order.Number)
	case ticket.SeatIndex < 0 || ticket.SeatIndex >= len(seats):
		defect(CheckTicket, "order %s has seat %d of %s, which has %d", order.Number, ticket.SeatIndex, ticket.SeatClass, len(seats))
	case seats[ticket.SeatIndex].Coach.Number != ticket.Coach || seats[ticket.SeatIndex].Seat.Label != ticket.Seat:
		defect(CheckTicket, "order %s says coach %s seat %s, but its seat in the map is coach %s seat %s", order.Number,
			ticket.Coach, ticket.Seat, seats[ticket.SeatIndex].Coach.Number, seats[ticket.SeatIndex].Seat.Label)
	case !run.Train.Sellable(order.From, order.To):
		defect(CheckTicket, "order %s goes from call %d to call %d, which the run does not sell", order.Number, order.From+1, order.To+1)
	case !tickets[ticket.SeatClass].IsFree(ticket.SeatIndex, order.From, order.To):
		defect(CheckOverlap, "order %s has the seat from call %d to call %d, and so has another order on some leg of it", order.Number, order.From+1, order.To+1)
	default:
		if err := tickets[ticket.SeatClass].Sell(ticket.SeatIndex, order.From, order.To); err != nil {
			defect(CheckOverlap, "order %s: %v", order.Number, err)
		}
	}
}

// verifyMap holds the ledger's seat map of a class against the one the tickets make, and its free seats together with
// the tickets against the coaches.
func verifyMap(run *rail.Run, class rail.SeatClass, bits []byte, tickets *seatmap.Map, sold []int, report *Report) {
	legs, seats := run.Train.Legs(), run.Train.Formation.Seats(class)
	stored := seatmap.New(legs, len(seats))
	if bits != nil {
		var err error
		if stored, err = seatmap.Decode(legs, len(seats), bits); err != nil {
			report.add(Defect{Check: CheckMap, Run: run.ID, Message: fmt.Sprintf("the map of %s cannot be read: %v", class, err)})
			return
		}
	}
	if !bytes.Equal(stored.Encode(), tickets.Encode()) {
		compareMaps(run, seats, stored, tickets, report)
	}
	for leg := range legs {
		if free := stored.Remaining(leg, leg+1); sold[leg]+free != len(seats) {
			report.add(Defect{Check: CheckCapacity, Run: run.ID, Message: fmt.Sprintf(
				"%s on leg %d: %d sold by the tickets and %d free by the map are not %d seats", class, leg+1, sold[leg], free, len(seats))})
		}
	}
}

// compareMaps names every seat and leg on which two maps are not equal.
func compareMaps(run *rail.Run, seats []rail.SeatRef, stored, tickets *seatmap.Map, report *Report) {
	for seat, ref := range seats {
		for leg := range run.Train.Legs() {
			inMap, inTickets := !stored.IsFree(seat, leg, leg+1), !tickets.IsFree(seat, leg, leg+1)
			if inMap == inTickets {
				continue
			}
			message := fmt.Sprintf("leg %d is sold in the map, and no live ticket has it", leg+1)
			if inTickets {
				message = fmt.Sprintf("leg %d is free in the map, and a live ticket has it", leg+1)
			}
			report.add(Defect{Check: CheckMap, Run: run.ID, Coach: ref.Coach.Number, Seat: ref.Seat.Label, Message: message})
		}
	}
}

// verifyRedis compares a page of runs with Redis, each at one version. A sale in flight is never accused: while Redis
// and the ledger are at different versions, both are read again, and only what has not come together after settleTime
// is a defect: Redis either has not moved at all, or is still not what the ledger says.
func (a *Auditor) verifyRedis(ctx context.Context, page page[*rail.Books], lefts []*rail.Availability, report *Report) error {
	deadline := time.Now().Add(settleTime)
	first := map[rail.RunID]int64{}
	for {
		stored, err := a.Cache.Stored(ctx, lefts)
		if err != nil {
			return err
		}
		var open []*rail.Availability
		for i, left := range lefts {
			seen := stored[i]
			switch {
			case seen != nil && seen.Version == left.Version:
				if !equal(seen, left) {
					report.add(Defect{Check: CheckRedis, Run: left.RunID, Message: fmt.Sprintf("at version %d Redis has other counts than the tickets", left.Version)})
				}
				continue
			case time.Now().Before(deadline):
				if _, ok := first[left.RunID]; !ok {
					first[left.RunID] = versionOf(seen)
				}
				open = append(open, left)
			case versionOf(seen) != first[left.RunID]:
				// It moves: the run is being sold, and its versions are compared by somebody who comes at a quieter time.
			case seen == nil:
				report.add(Defect{Check: CheckRedis, Run: left.RunID, Message: "Redis does not have the run"})
			default:
				report.add(Defect{Check: CheckRedis, Run: left.RunID, Message: fmt.Sprintf("Redis stays at version %d, the ledger is at %d", seen.Version, left.Version)})
			}
		}
		if len(open) == 0 {
			return nil
		}
		if err := pause(ctx, settlePoll); err != nil {
			return err
		}
		if lefts, err = readAgain(page, open); err != nil {
			return err
		}
	}
}

// versionOf is an entry's version, 0 where there is none.
func versionOf(left *rail.Availability) int64 {
	if left == nil {
		return 0
	}
	return left.Version
}

// readAgain recomputes some runs of a page from their tickets as they are now. Their books were checked already; what is
// wrong with them is not said twice.
func readAgain(page page[*rail.Books], open []*rail.Availability) ([]*rail.Availability, error) {
	wanted := map[rail.RunID]bool{}
	for _, left := range open {
		wanted[left.RunID] = true
	}
	all, err := page.again()
	if err != nil && len(all) == 0 {
		return nil, err
	}
	var lefts []*rail.Availability
	for _, books := range all {
		if wanted[books.Run.ID] {
			lefts = append(lefts, verifyBooks(books, &Report{}))
		}
	}
	return lefts, nil
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
