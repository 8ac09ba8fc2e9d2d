package notify

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"interlock/internal/logonce"
	"interlock/internal/pause"
)

const (
	// lookInterval is the pause between two looks for what is due. This process wakes its own worker at once.
	lookInterval = 250 * time.Millisecond
	// retryInterval is the pause after a look that failed.
	retryInterval = time.Second
	// tryTimeout bounds one try, notingTimeout noting what came of it, which is not broken off.
	tryTimeout    = time.Minute
	notingTimeout = 2 * commitTimeout
	// lease is for how long a delivery is the worker's that has claimed it. Another may make it then.
	lease = tryTimeout + notingTimeout + 10*time.Second
	// longestPause is how long a receiver may ask to be left alone.
	longestPause = 24 * time.Hour
	// deadAfter is for how long all deliveries to an endpoint must have failed until it is disabled.
	deadAfter = 5 * 24 * time.Hour
	// waitFor is for how long a delivery may be due and not be begun, since too many wait before it: as long as one may
	// be asked to wait, and an hour.
	waitFor = longestPause + time.Hour
	// tidyInterval is the pause between two looks for deliveries that wait in vain, or are too old, tidyPage how many are
	// ended or removed at a time.
	tidyInterval = time.Minute
	tidyPage     = 500
)

// Run delivers until ctx ends, and lets what is under way end. Any number of processes may run it on one store.
func (s *Service) Run(ctx context.Context) {
	var all sync.WaitGroup
	defer all.Wait()
	all.Go(func() { s.tidy(ctx) })
	failing := logonce.Warn("deliveries that are due cannot be read: they wait", "deliveries that are due are read again")
	for ctx.Err() == nil {
		busy, err := s.look(ctx, &all)
		if ctx.Err() != nil {
			return
		}
		failing.Note(ctx, s.Log, err)
		switch {
		case err != nil:
			pause.For(ctx, retryInterval)
		case !busy:
			s.idle(ctx)
		}
	}
}

func (s *Service) idle(ctx context.Context) {
	timer := time.NewTimer(s.lookEvery)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-s.wake:
	case <-timer.C:
	}
}

// look has what is due delivered for which there are places. busy tells that more may be due.
func (s *Service) look(ctx context.Context, all *sync.WaitGroup) (busy bool, err error) {
	reading, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	queues, failing, err := s.queues(reading)
	if err != nil {
		return false, err
	}
	due, err := s.Store.Due(reading, queues)
	if err != nil {
		return false, err
	}
	oldest, waiting := time.Time{}, map[string]int{}
	if len(due) > 0 {
		oldest = due[0].Due
	}
	s.counts.oldestDue(oldest)
	for _, d := range due {
		waiting[d.Endpoint]++
	}
	for _, q := range queues {
		busy = busy || waiting[q.Endpoint] == q.Limit
	}
	claimed, err := s.claim(ctx, reading, due, failing, all)
	return busy && claimed > 0, err
}

// queues are what this process may begin now, and which endpoints fail. What it does not tell, another may.
func (s *Service) queues(ctx context.Context) (queues []Queue, failing map[string]bool, err error) {
	if mails := s.places.mails(); s.Mailer != nil && mails.Limit > 0 {
		queues = append(queues, mails)
	}
	if s.Poster == nil {
		return queues, nil, nil
	}
	endpoints, err := s.told.get(ctx, s.Store)
	failing = map[string]bool{}
	for _, e := range endpoints {
		failing[e.ID] = !e.FailingSince.IsZero()
	}
	queues = append(queues, s.places.webhooksTo(endpoints)...)
	// The store reads no more at a time, and two admins may have added one endpoint too many.
	return queues[:min(len(queues), MaxEndpoints+1)], failing, err
}

// claim moves the time at which deliveries are due, so that other processes leave them alone, and has them delivered.
func (s *Service) claim(
	ctx, reading context.Context, due []*Delivery, failing map[string]bool, all *sync.WaitGroup,
) (claimed int, err error) {
	var claims []Change
	for _, d := range due {
		if s.places.take(d, failing[d.Endpoint]) {
			one := *d
			one.Version, one.Tries = d.Version+1, d.Tries+1
			claims = append(claims, Change{Delivery: one, DueIn: lease})
		}
	}
	if len(claims) == 0 {
		return 0, nil
	}
	errs, err := s.committer.write(reading, Batch{Changes: claims})
	for i := range claims {
		d := &claims[i].Delivery
		if err != nil || errs[i] != nil {
			s.places.giveBack(d) // Another process has it, or it is due again later.
			continue
		}
		claimed++
		all.Go(func() {
			defer func() { s.places.giveBack(d); s.Wake() }()
			s.deliver(ctx, d)
		})
	}
	return claimed, err
}

// deliver makes one try, and notes what came of it.
func (s *Service) deliver(ctx context.Context, d *Delivery) {
	noting, cancel := context.WithTimeout(context.WithoutCancel(ctx), tryTimeout+notingTimeout)
	defer cancel()
	trying, end := context.WithTimeout(ctx, tryTimeout)
	outcome, err := s.guarded(trying, d)
	end()
	if ctx.Err() != nil && outcome.State == Pending {
		return // It was broken off, and is due again when the lease is over.
	}
	s.failing[d.Channel].Note(ctx, s.Log, failure(&outcome, err), "delivery", d.ID, "kind", string(d.Kind))
	next, dueIn := after(d, outcome)
	s.counts.tried(&next)
	errs, err := s.committer.write(noting, Batch{Changes: []Change{{Delivery: next, DueIn: dueIn}}})
	if err == nil && errs[0] != nil {
		return // It was replayed, or its endpoint dropped.
	}
	s.noting.Note(noting, s.Log, err, "delivery", d.ID)
}

// guarded is try. A panic is a try that failed: it must not end the process, which would only make it again.
func (s *Service) guarded(ctx context.Context, d *Delivery) (o Outcome, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			o, err = Outcome{State: Pending, Reason: "it cannot be written"}, fmt.Errorf("a delivery panicked: %v", cause)
		}
	}()
	return s.try(ctx, d)
}

// errNotTaken is what failing deliveries are logged with, beside the reason.
var errNotTaken = errors.New("it was not taken")

// failure is what of an outcome is logged: only what concerns more than the one receiver.
func failure(o *Outcome, err error) error {
	if err == nil && o.State == Pending {
		return errors.Join(errNotTaken, errors.New(o.Reason))
	}
	return err
}

// try makes one try. An error is not the receiver's.
func (s *Service) try(ctx context.Context, d *Delivery) (Outcome, error) {
	if d.Channel == Webhook {
		return s.post(ctx, d)
	}
	o, err := s.Orders.Order(ctx, d.OrderID)
	switch {
	case err != nil:
		return Outcome{State: Pending, Reason: "the order cannot be read"}, err
	case o == nil || o.Contact.Email == "":
		return Outcome{State: Skipped, Reason: "there is no address any more"}, nil
	case !isToTell(d, o):
		return Outcome{State: Skipped, Reason: "it is no longer so"}, nil
	}
	return s.Mailer.Mail(ctx, d, o), nil
}

// isToTell tells whether what a mail is about is still so. Only the run's state may be told too late to be of use.
func isToTell(d *Delivery, o *Order) bool {
	switch d.Kind {
	case Suspended:
		return o.RunStatus == "SUSPENDED"
	case Resumed:
		return o.RunStatus == "PUBLISHED"
	}
	return true
}

// post posts a webhook. What its endpoint has taken or not is noted with the endpoint.
func (s *Service) post(ctx context.Context, d *Delivery) (Outcome, error) {
	endpoints, err := s.told.get(ctx, s.Store)
	if err != nil {
		return Outcome{State: Pending, Reason: "the endpoint cannot be read"}, err
	}
	for _, e := range endpoints {
		switch {
		case e.ID != d.Endpoint:
			continue
		case !e.Enabled:
			return Outcome{State: Skipped, Reason: "the endpoint is disabled"}, nil
		}
		outcome := s.Poster.Post(ctx, d, e)
		if ctx.Err() != nil && outcome.Answer == 0 && !errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return outcome, nil
		}
		return outcome, s.noteEndpoint(ctx, e, &outcome)
	}
	return Outcome{State: Skipped, Reason: "the endpoint is gone"}, nil
}

// noteEndpoint notes since when an endpoint takes nothing, and disables one that wants nothing more or has taken nothing
// for days. Where another process notes the same, that is enough.
func (s *Service) noteEndpoint(ctx context.Context, e *Endpoint, o *Outcome) error {
	next := *e
	now, err := s.Store.Now(ctx)
	switch {
	case err != nil:
		return err
	case o.Gone:
		next.Enabled, next.DisabledWhy = false, "it answered 410: it wants nothing more"
	case o.State == Sent:
		next.FailingSince = time.Time{}
	case e.FailingSince.IsZero():
		next.FailingSince = now
	case now.Sub(e.FailingSince) >= deadAfter:
		next.Enabled, next.DisabledWhy = false, "it took nothing for five days"
	}
	if next.Enabled == e.Enabled && next.FailingSince.Equal(e.FailingSince) {
		return nil
	}
	next.Version++
	if err := s.Store.PutEndpoint(context.WithoutCancel(ctx), &next); err != nil && !errors.Is(err, ErrStale) {
		return err
	}
	s.told.forget()
	if !next.Enabled {
		s.Log.WarnContext(ctx, "an endpoint of webhooks is disabled", "endpoint", e.ID, "why", next.DisabledWhy)
	}
	return nil
}

// after is a delivery after a try, and when it is due again.
func after(d *Delivery, o Outcome) (next Delivery, dueIn time.Duration) {
	next = *d
	next.Version++
	next.State, next.Answer, next.Reason = o.State, o.Answer, o.Reason
	if o.State == Sent {
		next.Reason = ""
	}
	if o.State != Pending {
		return next, 0
	}
	wait, again := pauseAfter(d.Channel, d.Tries)
	if !again {
		next.State = GivenUp
		return next, 0
	}
	return next, max(wait, min(o.RetryIn, longestPause))
}

// tidy ends what waits in vain, and removes what ended long ago, until ctx ends.
func (s *Service) tidy(ctx context.Context) {
	failing := logonce.Warn("deliveries that wait in vain cannot be ended, or old ones not be removed",
		"deliveries that wait in vain are ended again, and old ones removed")
	for pause.For(ctx, tidyInterval) {
		if err := errors.Join(s.endVain(ctx), s.forget(ctx)); ctx.Err() == nil {
			failing.Note(ctx, s.Log, err)
		}
	}
}

// endVain ends what waits for endpoints that are disabled, and what has waited for too long.
func (s *Service) endVain(ctx context.Context) error {
	endpoints, err := s.Store.Endpoints(ctx)
	if err != nil {
		return err
	}
	for _, e := range endpoints {
		if e.Enabled {
			continue
		}
		if err := s.skip(ctx, e.ID, "the endpoint is disabled"); err != nil {
			return err
		}
	}
	now, err := s.Store.Now(ctx)
	if err != nil {
		return err
	}
	return page(ctx, func() (int, error) {
		return s.Store.GiveUp(ctx, now.Add(-waitFor), "it waited for too long", tidyPage)
	})
}

// skip ends what waits for an endpoint.
func (s *Service) skip(ctx context.Context, endpoint, reason string) error {
	return page(ctx, func() (int, error) { return s.Store.Skip(ctx, endpoint, reason, tidyPage) })
}

// forget removes deliveries that ended long ago.
func (s *Service) forget(ctx context.Context) error {
	now, err := s.Store.Now(ctx)
	if err != nil {
		return err
	}
	return page(ctx, func() (int, error) { return s.Store.Forget(ctx, now.Add(-keepFor), tidyPage) })
}

// page does something page by page, until a page is not full.
func page(ctx context.Context, do func() (int, error)) error {
	for ctx.Err() == nil {
		if n, err := do(); err != nil || n < tidyPage {
			return err
		}
	}
	return ctx.Err()
}
