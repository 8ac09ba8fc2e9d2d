package attack

import (
	"context"
	"net/http"
	"time"
)

// hangUpAfter is when attackers hang up: a query that is worth an attack is being executed by then.
const hangUpAfter = 100 * time.Millisecond

// levels are how deep the nested orders go: four levels are 6,561 tickets, seven are five million.
var levels = []int{4, 5, 6, 7}

func (s *scene) nestedVariants() []variant {
	var all []variant
	for _, deep := range levels {
		all = append(all, nested(deep, s.ownOrder))
	}
	return all
}

func nestedOrders(ctx context.Context, s *scene) error { return s.queries(ctx, s.nestedVariants()) }

func manySchemas(ctx context.Context, s *scene) error {
	return s.queries(ctx, []variant{introspections()})
}

func manyNodes(ctx context.Context, s *scene) error {
	return s.queries(ctx, []variant{ids(s.buyersOrders)})
}

func manyRoots(ctx context.Context, s *scene) error {
	return s.queries(ctx, append(roots(s.ownOrder, s.attackedRun), wide(s.attackedRun)...))
}

// dearest asks for as much as is not refused unseen. What is refused all the same attacks nothing.
func dearest(ctx context.Context, s *scene) error {
	err := s.queries(ctx, admitted(s.ownOrder, s.buyersOrders, s.watched))
	for _, variant := range s.whoHeard("COMPLEXITY_LIMIT_EXCEEDED") {
		s.find(variant + " cost more than an operation may: the lab is to ask for less")
	}
	return err
}

// everyQuery is all that is asked over HTTP, for attacks that ask in another way.
func (s *scene) everyQuery() []variant {
	all := append(s.nestedVariants(), introspections(), ids(s.buyersOrders))
	return append(append(all, roots(s.ownOrder, s.attackedRun)...), wide(s.attackedRun)...)
}

// queries asks each variant in turn over HTTP.
func (s *scene) queries(ctx context.Context, all []variant) error {
	return s.posts(ctx, all, "", 0)
}

// hangUps asks and goes away.
func hangUps(ctx context.Context, s *scene) error {
	return s.posts(ctx, s.everyQuery(), "", hangUpAfter)
}

func (s *scene) posts(ctx context.Context, all []variant, accept string, hangUp time.Duration) error {
	questions, err := s.questionsOf(all, accept)
	if err != nil {
		return err
	}
	through := newTransport(s.attack.connections)
	defer through.CloseIdleConnections()
	s.asking(ctx, func(attacker, turn int) (string, reply) {
		n := (attacker + turn) % len(all)
		q := questions[n]
		q.hangUp = hangUp
		return all[n].name, ask(ctx, through, s.server.Addr(), q)
	})
	return nil
}

func (s *scene) questionsOf(all []variant, accept string) ([]question, error) {
	questions := make([]question, len(all))
	for n, v := range all {
		var err error
		if questions[n], err = gql(v.document, v.variables, s.tokenFor(v)); err != nil {
			return nil, err
		}
		questions[n].accept = accept
	}
	return questions, nil
}

func (s *scene) tokenFor(v variant) string {
	if v.needsToken {
		return s.ownToken
	}
	return ""
}

// streamedQueries asks the same over WebSockets, and over server-sent events.
func streamedQueries(ctx context.Context, s *scene) error {
	all := s.everyQuery()
	events, err := s.questionsOf(all, "text/event-stream")
	if err != nil {
		return err
	}
	through := newTransport(s.attack.connections)
	defer through.CloseIdleConnections()
	sockets := make([]*socket, s.attack.connections)
	defer func() {
		for _, one := range sockets {
			one.close()
		}
	}()
	s.asking(ctx, func(attacker, turn int) (string, reply) {
		n := (attacker/2 + turn) % len(all)
		if attacker%2 == 0 {
			return all[n].name + " over SSE", ask(ctx, through, s.server.Addr(), events[n])
		}
		name := all[n].name + " over a socket"
		if sockets[attacker] == nil {
			var r reply
			if sockets[attacker], r = openSocket(ctx, s.server.Addr(), s.ownToken); sockets[attacker] == nil {
				return name, r
			}
		}
		r := sockets[attacker].ask(ctx, all[n])
		if r.silent {
			sockets[attacker].close()
			sockets[attacker] = nil
		}
		return name, r
	})
	return nil
}

// static is asked instead of an attack. It costs the server as much to receive, and next to nothing to answer.
func static(ctx context.Context, s *scene) error {
	through := newTransport(s.attack.connections)
	defer through.CloseIdleConnections()
	s.asking(ctx, func(int, int) (string, reply) {
		return "static", ask(ctx, through, s.server.Addr(), question{method: http.MethodGet, path: "/livez"})
	})
	return nil
}
