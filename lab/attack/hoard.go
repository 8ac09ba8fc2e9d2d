package attack

import (
	"context"
	"fmt"
	"sync"

	"interlock/lab/load"
)

// The limits of a buyer that servers have by default, and that the lab's servers keep.
const (
	maxRunHolds    = 5
	maxOpenHolds   = 5
	maxLapsedHolds = 3
	maxDocuments   = 20
)

// hoarder is one account, what it wants, and what it got.
type hoarder struct {
	name, token string
	// party is how many passengers each order has. documents are as many as one account may name.
	party     int
	documents []traveller
	bound     int

	mu   sync.Mutex
	got  []bought
	asks int
}

// hoard lets one account each try to hold a whole train: at once at two servers, in parties of nine, by one order after
// the other, and with holds that lapse. One more tries a few seats of every train.
func hoard(ctx context.Context, s *scene) error {
	all := []*hoarder{
		{name: "of one train at once", party: 1, bound: maxRunHolds},
		{name: "of one train in parties of nine", party: party, bound: maxRunHolds},
		{name: "of one train one by one", party: 1, bound: maxRunHolds},
		{name: "of one train that lapse", party: 1, bound: maxRunHolds},
		{name: "of many trains", party: 1, bound: maxOpenHolds},
	}
	for n, one := range all {
		var err error
		if one.token, err = s.passenger(fmt.Sprintf("hoarder-%d-%d", s.round, n)); err != nil {
			return err
		}
		one.documents = strangers(fmt.Sprintf("H%d%d", s.round, n), 0, maxDocuments)
	}
	servers := []string{s.server.Addr(), s.lapsing.Addr()}
	target := func(kind, turn int) (server string, run *load.Run) {
		switch all[kind].name {
		case "of one train one by one":
			return servers[0], s.ofRound(kind)
		case "of one train that lapse":
			return servers[1], s.ofRound(kind)
		case "of many trains":
			return servers[0], s.watched[turn%len(s.watched)]
		}
		return servers[turn%len(servers)], s.ofRound(kind)
	}
	s.asking(ctx, func(attacker, turn int) (string, reply) {
		// Half ask at once, and half in parties. One each does one of the others.
		kind := attacker % 2
		if attacker < len(all) {
			kind = attacker
		}
		server, run := target(kind, turn)
		return all[kind].name, all[kind].ask(ctx, server, run)
	})
	for _, one := range all {
		if open := one.most(); open > one.bound {
			s.find(fmt.Sprintf("one account held %d orders %s, %d seats, more than %d orders", open, one.name,
				open*one.party, one.bound))
		}
	}
	// Two may lapse one after the other, and then as many as may be open at once.
	if lapsing := all[3]; len(lapsing.got) > maxLapsedHolds-1+maxRunHolds {
		s.find(fmt.Sprintf("one account was given %d orders %s, more than %d", len(lapsing.got), lapsing.name,
			maxLapsedHolds-1+maxRunHolds))
	}
	return nil
}

// ask wants more seats.
func (h *hoarder) ask(ctx context.Context, server string, run *load.Run) reply {
	h.mu.Lock()
	n := h.asks
	h.asks++
	h.mu.Unlock()
	who := make([]traveller, h.party)
	for i := range who {
		who[i] = h.documents[(n*h.party+i)%len(h.documents)]
	}
	b, err := buy(ctx, server, h.token, wish{
		key: fmt.Sprintf("hoard-%08d", n), run: run.ID, from: 0, to: load.Calls - 1, passengers: who,
	})
	if err == nil && b.code == "" {
		h.mu.Lock()
		h.got = append(h.got, b)
		h.mu.Unlock()
	}
	return heardOf(b, err)
}

// most is how many of the orders were open at once.
func (h *hoarder) most() (most int) {
	for _, b := range h.got {
		open := 0
		for _, other := range h.got {
			// Holds begin before their answer, and end as the server said. Only what surely overlaps counts.
			if !other.at.After(b.at) && other.payBy.After(b.at) {
				open++
			}
		}
		most = max(most, open)
	}
	return most
}
