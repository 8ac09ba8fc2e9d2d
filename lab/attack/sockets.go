package attack

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"interlock/internal/pause"
	"interlock/lab/load"
)

const (
	// subscriptionsPerSocket is as many as one socket may have.
	subscriptionsPerSocket = 100
	// pairsPerSubscription is as many runs as one subscription may name. watchedSubscriptions of them make 5,400 pairs
	// of one socket, and 27 sockets 145,800.
	pairsPerSubscription = 100
	watchedSubscriptions = 54
	// eventsPerSocket on 200 sockets are as many subscriptions as an address may have without a token.
	eventsPerSocket = 25
	// honestTimeout is for a phone to see its first event while sockets are being hoarded.
	honestTimeout = 5 * time.Second
	// initPatience is above the ten seconds that a socket has to send connection_init.
	initPatience = 20 * time.Second
)

// seats is a subscription to some runs between two calls.
func seats(runs []*load.Run, from, to int) variant {
	names := make([]string, len(runs))
	for n, run := range runs {
		names[n] = run.ID
	}
	return variant{
		name: "subscriptions", document: "subscription($r:[ID!]!,$f:StationCode," +
			"$t:StationCode){seatAvailability(runIds:$r,from:$f,to:$t){version}}",
		variables: map[string]any{"r": names, "f": load.StationCode(from), "t": load.StationCode(to)},
	}
}

// listen hears what becomes of a socket's subscriptions until it ends: an error by its code, and the first event of
// each that has one.
func (s *scene) listen(ctx context.Context, one *socket, variant string) {
	begun := map[string]bool{}
	for {
		m, err := one.next(ctx)
		if err != nil {
			if ctx.Err() == nil {
				s.hears(variant, closed(err))
			}
			return
		}
		switch {
		case m.kind == "error" && m.code == "":
			s.miss(variant, "an error without a code")
		case m.kind == "error", m.kind == "next" && m.code != "":
			s.hear(variant, m.code)
		case m.kind == "next" && !begun[m.id]:
			begun[m.id] = true
			s.hear(variant, answered)
		}
	}
}

// hold opens sockets, subscribes on each, and keeps all of them until ctx ends.
func (s *scene) hold(
	ctx context.Context, many int, name string, token func(attacker int) string,
	subscriptions func(attacker int) []variant,
) {
	s.each(ctx, many, func(attacker int) {
		s.ask()
		one, r := openSocket(ctx, s.server.Addr(), token(attacker))
		if one == nil {
			s.hears(name+", opened", r)
			return
		}
		defer one.close()
		s.hear(name+", opened", answered)
		heard := make(chan struct{})
		listening, stop := context.WithCancel(context.WithoutCancel(ctx))
		go func() {
			defer close(heard)
			s.listen(listening, one, name)
		}()
		defer func() {
			stop()
			<-heard
		}()
		for _, v := range subscriptions(attacker) {
			if !s.pace.turn(ctx) {
				return
			}
			s.ask()
			if _, err := one.subscribe(ctx, v); err != nil {
				return // the listener says why
			}
		}
		<-ctx.Done()
	})
}

func nobody(int) string { return "" }

// manySockets has 210 sockets of one address with 100 subscriptions each, as many as a server has room for.
func manySockets(ctx context.Context, s *scene) error {
	done := s.honest(ctx)
	s.hold(ctx, s.attack.connections, "nobody's sockets", nobody, func(attacker int) []variant {
		all := make([]variant, subscriptionsPerSocket)
		for n := range all {
			all[n] = seats(s.watched[(attacker+n)%len(s.watched):][:1], 0, load.Calls-1)
		}
		return all
	})
	<-done
	return nil
}

// honest is a phone with a token that begins to watch at the end of the attack. The attack must not keep it from that.
// It goes by the clock of the attack: ctx ends when that does.
func (s *scene) honest(ctx context.Context) (done chan struct{}) {
	done = make(chan struct{})
	go func() {
		defer close(done)
		deadline, ok := ctx.Deadline()
		if !ok || !pause.For(ctx, time.Until(deadline)*9/10) {
			return
		}
		if err := s.watchOnce(ctx); err != nil {
			s.find("somebody else cannot watch seats: " + err.Error())
		}
	}()
	return done
}

func (s *scene) watchOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), honestTimeout)
	defer cancel()
	token, err := s.passenger(fmt.Sprintf("honest-%d", s.round))
	if err != nil {
		return err
	}
	q, err := gql(`subscription($r:[ID!]!){seatAvailability(runIds:$r){version}}`,
		map[string]any{"r": []string{s.attackedRun.ID}}, token)
	if err != nil {
		return err
	}
	through := newTransport(1)
	defer through.CloseIdleConnections()
	events, err := openStream(ctx, through, s.server.Addr(), q)
	if err != nil {
		return err
	}
	defer events.Close()
	event, err := events.Next()
	if err == nil && codeIn(event) != "" {
		err = fmt.Errorf("%.200s", event)
	}
	return err
}

// openStream subscribes over server-sent events, with a token.
func openStream(ctx context.Context, through http.RoundTripper, server string, q question) (*load.Events, error) {
	return load.OpenEvents(ctx, withToken{through, q.token}, server, q.body)
}

// withToken sends a token along.
type withToken struct {
	http.RoundTripper
	token string
}

// RoundTrip implements http.RoundTripper.
func (w withToken) RoundTrip(r *http.Request) (*http.Response, error) {
	r.Header.Set("Authorization", "Bearer "+w.token)
	return w.RoundTripper.RoundTrip(r)
}

// watchedPairs lets some sockets watch a great deal: with one account, and with none.
func watchedPairs(ctx context.Context, s *scene) error {
	token, err := s.passenger(fmt.Sprintf("watcher-%d", s.round))
	if err != nil {
		return err
	}
	s.hold(ctx, s.attack.connections, "watched pairs", func(attacker int) string {
		if attacker%2 == 0 {
			return token
		}
		return ""
	}, func(attacker int) []variant {
		all := make([]variant, watchedSubscriptions)
		for n := range all {
			at := (attacker + n) * pairsPerSubscription % (len(s.watched) - pairsPerSubscription)
			from := (attacker + n) % (load.Calls - 1)
			all[n] = seats(s.watched[at:at+pairsPerSubscription], from, load.Calls-1)
		}
		return all
	})
	return nil
}

// dearEvents watches the run that is sold, and asks for as much with each event as a document may name.
func dearEvents(ctx context.Context, s *scene) error {
	v := seats([]*load.Run{s.targets.First()}, 0, load.Calls-1)
	v.document = "subscription($r:[ID!]!,$f:StationCode,$t:StationCode){seatAvailability(runIds:$r,from:$f,to:$t){" +
		aliases(copies, dearField) + "}}"
	s.hold(ctx, s.attack.connections, "dear events", nobody, func(int) []variant { return []variant{v} })
	return nil
}

// manyEvents watches the run that is sold as often as one address may.
func manyEvents(ctx context.Context, s *scene) error {
	all := make([]variant, eventsPerSocket)
	for n := range all {
		all[n] = seats([]*load.Run{s.targets.First()}, 0, load.Calls-1)
	}
	s.hold(ctx, s.attack.connections, "many events", nobody, func(int) []variant { return all })
	return nil
}

// silentSockets opens sockets and says nothing on them. The server must say why it ends them.
func silentSockets(ctx context.Context, s *scene) error {
	s.each(ctx, s.attack.connections, func(int) {
		s.ask()
		one, r := dial(ctx, s.server.Addr())
		if one == nil {
			s.hears("opened", r)
			return
		}
		defer one.close()
		s.hear("opened", answered)
		patient, cancel := context.WithTimeout(context.WithoutCancel(ctx), initPatience)
		defer cancel()
		_, err := one.next(patient)
		if patient.Err() != nil {
			s.miss("kept", fmt.Sprintf("still open after %s", initPatience))
			return
		}
		s.hears("kept", closed(err))
	})
	return nil
}

// busySockets asks on each socket as fast as the pace allows, without waiting for answers.
func busySockets(ctx context.Context, s *scene) error {
	searches := roots(s.ownOrder, s.attackedRun)[4]
	small := variant{name: "a search", document: "query($f:[StationCode!]!,$t:[StationCode!]!," +
		"$d:Date!){searchTickets(from:$f,to:$t,date:$d,first:5){nodes{version}}}", variables: searches.variables}
	s.each(ctx, s.attack.connections, func(int) {
		one, r := openSocket(ctx, s.server.Addr(), "")
		if one == nil {
			s.hears("opened", r)
			return
		}
		defer one.close()
		heard := make(chan struct{})
		listening, stop := context.WithCancel(context.WithoutCancel(ctx))
		go func() {
			defer close(heard)
			s.listen(listening, one, small.name)
		}()
		asked := 0
		for ; s.pace.turn(ctx); asked++ {
			s.ask()
			if _, err := one.subscribe(ctx, small); err != nil {
				break
			}
		}
		// What is on its way still comes.
		pause.For(context.WithoutCancel(ctx), time.Second)
		stop()
		<-heard
	})
	return nil
}
