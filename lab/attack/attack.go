package attack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

// attack is one kind of hostility, with its variants.
type attack struct {
	name, what string
	// connections is how many attackers there are, perSecond how much they ask for together at most.
	connections int
	perSecond   float64
	// play attacks until ctx ends, and returns when every attacker has an answer.
	play func(ctx context.Context, s *scene) error
}

// scene is what the attackers of one attack share.
type scene struct {
	*lab
	*tally
	attack *attack
	pace   *pace
	// round counts from 1; a second round has other accounts.
	round int
}

// attacks are all there are, in the order in which they are played.
func attacks() []*attack {
	return []*attack{
		{"nested_orders", "an order of nine with itself inside itself, 4 to 7 levels deep", 9, 20, nestedOrders},
		{"schemas", "nearly the whole schema 150 times in one document, 16 documents at once", 16, 40, manySchemas},
		{"nodes", "20,000 orders of others in one document", 8, 20, manyNodes},
		{"root_fields", "one root field as often as a document may name it, large variables, and fragments of " +
			"fragments", 8, 40, manyRoots},
		{"dearest", "what costs as much as an operation may, and no more", 8, 20, dearest},
		{"streamed_queries", "the same over WebSockets and server-sent events", 8, 20, streamedQueries},
		{"hang_ups", "the same by those who go away before the answer", 16, 40, hangUps},
		{"sockets", "210 sockets without a token, each with 100 subscriptions", 210, 2_500, manySockets},
		{
			"watched_pairs", "27 sockets that watch 5,400 pairs each, with one token and with none", 27, 200,
			watchedPairs,
		},
		{"dear_events", "streams without a token that want 40 copies of every call with each change of the run that " +
			"is sold", 12, 100, dearEvents},
		{
			"many_events", "200 sockets without a token, each with 25 subscriptions to the run that is sold",
			200, 2_500, manyEvents,
		},
		{"silent_sockets", "sockets that never say who they are", 260, 100, silentSockets},
		{"busy_sockets", "sockets that ask without waiting for answers", 8, 200, busySockets},
		{
			"slow_senders", "bodies and headers that do not come, or byte by byte, on every route", 1_500, 400,
			slowSenders,
		},
		{"no_readers", "clients that do not read what they have asked for", 24, 100, noReaders},
		{"hoard", "one account that wants the whole train, and many trains", 64, 100, hoard},
		{"squat", "one account that asks for strangers' documents", 4, 100, squat},
		{namesAttack, "names that would end a text of SQL in another character set", 4, 20, hostileNames},
	}
}

// Names are the attacks, in the order in which they are played.
func Names() []string {
	all := attacks()
	names := make([]string, len(all))
	for i, a := range all {
		names[i] = a.name
	}
	return names
}

// ErrUnknown says that an attack is not one of Names.
var ErrUnknown = errors.New("there is no such attack")

// choose is the attacks with these names; without names, all.
func choose(names []string) ([]*attack, error) {
	for _, name := range names {
		if !slices.Contains(Names(), name) {
			return nil, fmt.Errorf("%w: %s; there are %s", ErrUnknown, name, strings.Join(Names(), ", "))
		}
	}
	if len(names) == 0 {
		return attacks(), nil
	}
	return slices.DeleteFunc(attacks(), func(a *attack) bool { return !slices.Contains(names, a.name) }), nil
}

// asking lets every attacker ask, each its own turns, until ctx ends.
func (s *scene) asking(ctx context.Context, question func(attacker, turn int) (variant string, r reply)) {
	var all errgroup.Group
	for attacker := range s.attack.connections {
		all.Go(func() error {
			for turn := 0; s.pace.turn(ctx); turn++ {
				s.ask()
				variant, r := question(attacker, turn)
				s.hears(variant, r)
			}
			return nil
		})
	}
	_ = all.Wait() // none fails: what goes wrong is in the tally
}

// each lets every attacker do its own once, all at the attack's pace.
func (s *scene) each(ctx context.Context, many int, do func(attacker int)) {
	var all errgroup.Group
	for attacker := range many {
		all.Go(func() error {
			if s.pace.turn(ctx) {
				do(attacker)
			}
			return nil
		})
	}
	_ = all.Wait() // none fails: what goes wrong is in the tally
}
