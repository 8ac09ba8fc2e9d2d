package attack

import (
	"context"
	"fmt"
	"sync"

	"interlock/lab/load"
)

const (
	// travelling is how many strangers have a ticket. asked is for how many documents the attacker asks.
	travelling = 50
	asked      = 1_000
)

// squatter is one account that asks for documents, and which of them it was told something of.
type squatter struct {
	name, token string
	servers     []string

	mu   sync.Mutex
	next int
	told int
}

// squat asks for a thousand documents with one account at one server, and with another at two. Every second one of the
// first hundred travels. On a train that is sold out, the answers must not tell which of them do.
func squat(ctx context.Context, s *scene) error {
	run := s.ofRound(smallPerRound - 1)
	if err := s.strangersTravel(ctx, run); err != nil {
		return err
	}
	squatters := []*squatter{
		{name: "at one server", servers: []string{s.server.Addr()}},
		{name: "at two servers", servers: []string{s.server.Addr(), s.lapsing.Addr()}},
	}
	for n, one := range squatters {
		var err error
		if one.token, err = s.passenger(fmt.Sprintf("squatter-%d-%d", s.round, n)); err != nil {
			return err
		}
	}
	soldOut := s.soldOut[s.round-1]
	s.asking(ctx, func(attacker, turn int) (string, reply) {
		if attacker == s.attack.connections-1 {
			return "a train that is sold out", s.askSoldOut(ctx, soldOut, turn)
		}
		one := squatters[attacker%len(squatters)]
		return one.name, one.ask(ctx, run)
	})
	for _, one := range squatters {
		if bound := maxDocuments * len(one.servers); one.told > bound {
			s.find(fmt.Sprintf("one account was told of %d documents %s, more than %d, while records of buyers "+
				"could not be read %.0f times",
				one.told, one.name, bound, s.metric(ctx, "interlock_buyers_unlimited_total")))
		}
	}
	return nil
}

// strangersTravel sells tickets to every second one of the first documents.
func (s *scene) strangersTravel(ctx context.Context, run *load.Run) error {
	for n := 0; n < 2*travelling; n += 2 {
		token, err := s.passenger(fmt.Sprintf("stranger-%d-%d", s.round, n))
		if err != nil {
			return err
		}
		b, err := buy(ctx, s.server.Addr(), token, wish{
			key: fmt.Sprintf("stranger-%06d", n), run: run.ID, from: 0, to: load.Calls - 1,
			passengers: strangers("S", n, 1),
		})
		if err != nil || b.code != "" {
			return fmt.Errorf("a stranger's ticket: %s: %w", b.code, err)
		}
	}
	return nil
}

// ask asks for the next document. What is bought is given back at once: it is not seats that this one wants.
func (q *squatter) ask(ctx context.Context, run *load.Run) reply {
	q.mu.Lock()
	n := q.next
	q.next++
	q.mu.Unlock()
	server := q.servers[n%len(q.servers)]
	b, err := buy(ctx, server, q.token, wish{
		key: fmt.Sprintf("squat-%08d", n), run: run.ID, from: 0, to: load.Calls - 1,
		passengers: strangers("S", n%asked, 1),
	})
	if err == nil && (b.code == "" || b.code == "ALREADY_TRAVELLING") {
		q.mu.Lock()
		q.told++
		q.mu.Unlock()
	}
	if err == nil && b.code == "" {
		err = cancel(ctx, server, q.token, b.id)
	}
	return heardOf(b, err)
}

// askSoldOut asks for a seat on a train that has none, in turn with the document of the passenger that has the last
// seat and with that of one that has none.
func (s *scene) askSoldOut(ctx context.Context, t soldOutTrain, turn int) reply {
	who := t.traveller
	if turn%2 == 1 {
		who = strangers("N", turn, 1)[0]
	}
	token, err := s.passenger(fmt.Sprintf("curious-%d-%d", s.round, turn/maxDocuments))
	if err != nil {
		return failure(err)
	}
	b, err := buy(ctx, s.server.Addr(), token, wish{
		key: fmt.Sprintf("curious-%06d", turn), run: t.run.ID, from: 0, to: 1, passengers: []traveller{who},
	})
	if err == nil && b.code != "SOLD_OUT" {
		s.find(fmt.Sprintf("a train that is sold out said %q of a document", b.code))
	}
	return heardOf(b, err)
}

// soldOutTrain is a train with one seat, and the passenger that has it.
type soldOutTrain struct {
	run       *load.Run
	traveller traveller
}

// sellOut sells the only seat of some trains.
func (l *lab) sellOut(ctx context.Context, runs []*load.Run) ([]soldOutTrain, error) {
	all := make([]soldOutTrain, len(runs))
	for n, run := range runs {
		token, err := l.passenger(fmt.Sprintf("first-%d", n))
		if err != nil {
			return nil, err
		}
		all[n] = soldOutTrain{run, strangers("F", n, 1)[0]}
		b, err := buy(ctx, l.server.Addr(), token,
			wish{key: "first-and-last", run: run.ID, from: 0, to: 1, passengers: []traveller{all[n].traveller}})
		if err != nil || b.code != "" {
			return nil, fmt.Errorf("the only seat: %s: %w", b.code, err)
		}
	}
	return all, nil
}
