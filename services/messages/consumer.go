package messages

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"runtime/debug"
	"slices"
	"time"

	"interlock/internal/logonce"
	"interlock/internal/pause"
	"interlock/services/ledger"
	"interlock/services/rail"
)

const (
	// DefaultTries is how often an event is tried before it becomes a dead letter: for five minutes, with
	// DefaultBackoff.
	DefaultTries = 10
	// DefaultBackoff is the pause before the second try. It doubles from try to try, up to maxBackoff.
	DefaultBackoff = time.Second
	maxBackoff     = time.Minute
	// DefaultHandleTimeout is how long a handler may take.
	DefaultHandleTimeout = 20 * time.Second
	// inHand is how many events a consumer has at once. So many may wait for their next try, until it takes no more.
	inHand = 128
	// freshWait is how long a consumer waits for fresh events before it looks at its other duties.
	freshWait = time.Second
	// handleTimeouts is after how many of them without a touch an event is another consumer's. Between two events, a
	// consumer touches all it has.
	handleTimeouts = 3
	// MaxParallel is how many events one consumer handles at once at most.
	MaxParallel = inHand
	// acknowledgeAfter is how long an effect waits for others, to be acknowledged with them, while handlers run.
	acknowledgeAfter = 10 * time.Millisecond
	// acknowledgeTimeout bounds an acknowledgement, which is not broken off.
	acknowledgeTimeout = 2 * time.Second
	// maxReason bounds the reason of a dead letter.
	maxReason = 300
)

// errDied is the reason of a dead letter whose consumers died and gave none.
var errDied = rail.Refuse(rail.Internal, "its consumer died at the last try")

// groupName are the names that a group may have: part of a key, and of a label of metrics.
var groupName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

// CheckGroup refuses a name that a group may not have.
func CheckGroup(name string) error {
	if !groupName.MatchString(name) {
		return rail.Refuse(rail.Invalid,
			"%q is no name of a group: 1 to 32 lower-case letters, digits and hyphens, beginning with a letter", name)
	}
	return nil
}

// Handler does what an event asks of a group. It is told an event at least once, and knows a double by the event's
// Subject and Version: it has seen that version of the subject, or a later one. With several consumers in a group, two
// events of a subject may be handled at once; with one consumer, the later waits for the earlier, also while that waits
// for its next try.
//
// An error has the event tried again later. One of code UNAVAILABLE says that the trouble is not the event's: it is not
// counted as a try. The message of a *rail.Error is kept with a dead letter. The text of any other error is logged.
// Neither has personal data. A panic is an error.
type Handler func(ctx context.Context, event ledger.Event) error

// Consumer is a member of a group. Its fields are set before Run.
type Consumer struct {
	Queue Queue
	Log   *slog.Logger
	// Group is its group, see CheckGroup. Name is its own, and the same after a restart: it begins with what it had. No
	// two consumers of a group that run at once have the same name.
	Group, Name string
	Handler     Handler
	// Parallel is how many events it handles at once, all of different subjects; 0 is 1, and MaxParallel is the most.
	// With 1, events that are due are handled in the order of the stream. With more, an event that kills the process
	// costs those that were being handled beside it a try as well.
	Parallel int
	// Tries, Backoff and HandleTimeout are the defaults where they are 0.
	Tries         int
	Backoff       time.Duration
	HandleTimeout time.Duration

	// hand is what it has and has not acknowledged, in order. Only Run's own goroutine looks at it.
	hand []*held
	// handled is what became of those that are running.
	handled chan handled
	running int
	// fresh is what comes of a call for fresh events; nil while there is none.
	fresh chan fetched
	// done had their effects, and are to be acknowledged; the first of them since doneSince.
	done      []ledger.StreamID
	doneSince time.Time
	// next is when the next try is due; zero where none is.
	next time.Time
	// own is the place behind which its own events are still to be read; ownRead tells that all are.
	own     ledger.StreamID
	ownRead bool
	// handling logs when handlers begin to fail.
	handling *logonce.Failure
	// touched and tookOver are when it last did either.
	touched, tookOver time.Time
}

// held is an event in hand.
type held struct {
	Delivery
	// running tells that a handler has it.
	running bool
	// begun is how many tries were begun, as the queue knows it. A try is noted before the handler is called: an event
	// that kills its handler's process becomes a dead letter as well, and those that wait in hand do not.
	begun int
	// due is when it is to be tried.
	due time.Time
	// waits is the last pause.
	waits time.Duration
}

// handled is what a handler has said of an event.
type handled struct {
	*held
	err error
}

// fetched is what a call for fresh events has said.
type fetched struct {
	deliveries []Delivery
	err        error
}

// Run consumes until ctx ends and its handlers have returned. It returns an error at once where the group's name is
// none.
func (c *Consumer) Run(ctx context.Context) error {
	if err := CheckGroup(c.Group); err != nil {
		return err
	}
	c.prepare()
	failing := logonce.Warn("events cannot be consumed", "events are consumed again")
	for ctx.Err() == nil {
		err := c.pass(ctx)
		if ctx.Err() != nil {
			break
		}
		failing.Note(ctx, c.Log, err, "group", c.Group)
		if err == nil {
			continue
		}
		// An answer with fresh events may be lost. They are this consumer's, and `Fresh` gives them to no other.
		c.own, c.ownRead = ledger.StreamID{}, false
		if errors.Is(err, ErrNoGroup) {
			// The stream is new, or was flushed: what is in hand comes again, but not while its handler runs.
			c.finish(ctx)
			c.hand, c.done = nil, nil
			err = c.Queue.MakeGroup(ctx, c.Group)
		}
		if err != nil {
			pause.For(ctx, retryInterval)
		}
	}
	c.finish(ctx)
	if err := c.acknowledge(ctx); err != nil {
		c.Log.WarnContext(ctx, "events that were handled come again", "group", c.Group, "error", err)
	}
	return nil
}

func (c *Consumer) prepare() {
	if c.Tries == 0 {
		c.Tries = DefaultTries
	}
	if c.Backoff == 0 {
		c.Backoff = DefaultBackoff
	}
	if c.HandleTimeout == 0 {
		c.HandleTimeout = DefaultHandleTimeout
	}
	c.Parallel = max(1, min(c.Parallel, MaxParallel))
	c.handled = make(chan handled, c.Parallel)
	c.handling = logonce.Warn("an event could not be handled yet: it is tried again", "events are handled again")
	c.handling.Calm = maxBackoff
}

// pass takes what there is room for, begins what is due, and waits until there is more to do.
func (c *Consumer) pass(ctx context.Context) error {
	if len(c.done) >= inHand/2 {
		if err := c.acknowledge(ctx); err != nil {
			return err
		}
	}
	if err := c.fetch(ctx); err != nil {
		return err
	}
	if len(c.hand) > 0 && time.Since(c.touched) >= c.HandleTimeout {
		if err := c.touch(ctx, c.hand...); err != nil {
			return err
		}
		c.touched = time.Now()
	}
	if err := c.begin(ctx); err != nil {
		return err
	}
	if c.running == 0 || time.Since(c.doneSince) >= acknowledgeAfter {
		if err := c.acknowledge(ctx); err != nil {
			return err
		}
	}
	return c.wait(ctx)
}

// fetch takes what others have left, and what is its own, and has fresh events called for.
func (c *Consumer) fetch(ctx context.Context) error {
	if c.fresh != nil {
		return nil
	}
	if err := c.takeOver(ctx); err != nil {
		return err
	}
	if room := inHand - len(c.hand); room > 0 && !c.ownRead {
		if err := c.readOwn(ctx, room); err != nil {
			return err
		}
	}
	room := inHand - len(c.hand)
	if room <= 0 || !c.ownRead {
		return nil
	}
	// The answer is left to it even where ctx ends: the channel has room.
	fresh := make(chan fetched, 1)
	c.fresh = fresh
	go func() {
		deliveries, err := c.Queue.Fresh(ctx, c.Group, c.Name, room, freshWait)
		fresh <- fetched{deliveries, err}
	}()
	return nil
}

func (c *Consumer) readOwn(ctx context.Context, room int) error {
	own, next, err := c.Queue.Own(ctx, c.Group, c.Name, c.own, room)
	if err != nil {
		return err
	}
	if err := c.takeAgain(ctx, own); err != nil {
		return err
	}
	c.own, c.ownRead = next, next.IsZero()
	return nil
}

// takeOver takes what others have left.
func (c *Consumer) takeOver(ctx context.Context) error {
	idle := handleTimeouts * c.HandleTimeout
	room := inHand - len(c.hand)
	if room <= 0 || time.Since(c.tookOver) < idle/handleTimeouts {
		return nil
	}
	left, err := c.Queue.TakeOver(ctx, c.Group, c.Name, idle, room)
	if err != nil {
		return err
	}
	c.tookOver = time.Now()
	return c.takeAgain(ctx, left)
}

// take puts deliveries in hand, in order. Those it has already keep their time.
func (c *Consumer) take(deliveries []Delivery) {
	for i := range deliveries {
		if slices.Contains(c.done, deliveries[i].ID) {
			continue
		}
		at, has := c.find(deliveries[i].ID)
		if !has {
			// The queue notes a try with the first delivery. To be given an event again is no try yet: see takeAgain.
			h := &held{Delivery: deliveries[i], begun: max(1, deliveries[i].Try-1)}
			c.hand = slices.Insert(c.hand, at, h)
		}
	}
}

// find is where an event is in hand, or belongs.
func (c *Consumer) find(id ledger.StreamID) (at int, has bool) {
	return slices.BinarySearchFunc(c.hand, id, func(h *held, id ledger.StreamID) int { return h.ID.Compare(id) })
}

// takeAgain puts deliveries in hand that were given out before.
func (c *Consumer) takeAgain(ctx context.Context, deliveries []Delivery) error {
	if len(deliveries) == 0 {
		return nil
	}
	c.take(deliveries)
	return c.touch(ctx, c.hand...)
}

// begin gives what is due to handlers, in order, as far as there are places. An event waits for earlier ones of its
// subject.
func (c *Consumer) begin(ctx context.Context) error {
	c.next = time.Time{}
	if c.running == c.Parallel {
		return nil
	}
	busy := map[string]bool{}
	for _, h := range c.hand {
		if h.running {
			busy[h.Event.Subject()] = true
		}
	}
	for _, h := range slices.Clone(c.hand) {
		subject := h.Event.Subject()
		if h.running || busy[subject] {
			continue
		}
		busy[subject] = true
		if h.due.After(time.Now()) {
			if c.next.IsZero() || h.due.Before(c.next) {
				c.next = h.due
			}
			continue
		}
		if err := c.try(ctx, h); err != nil {
			return err
		}
		if c.running == c.Parallel {
			return nil
		}
	}
	return nil
}

// wait waits for the first of what a consumer waits for.
func (c *Consumer) wait(ctx context.Context) error {
	timer := time.NewTimer(c.idle())
	defer timer.Stop()
	select {
	case f := <-c.fresh:
		c.fresh = nil
		if f.err != nil {
			return f.err
		}
		c.take(f.deliveries)
	case h := <-c.handled:
		if err := c.settle(ctx, h); err != nil {
			return err
		}
	case <-timer.C:
	case <-ctx.Done():
	}
	return c.settleAll(ctx)
}

// idle is how long there is nothing to do but to wait for events and handlers.
func (c *Consumer) idle() time.Duration {
	wait := freshWait
	if c.fresh == nil && !c.ownRead && len(c.hand) < inHand {
		return 0
	}
	if len(c.done) > 0 {
		wait = acknowledgeAfter
	}
	if !c.next.IsZero() {
		wait = min(wait, time.Until(c.next))
	}
	return max(wait, time.Millisecond)
}

// settleAll settles what handlers have returned by now.
func (c *Consumer) settleAll(ctx context.Context) error {
	for {
		select {
		case h := <-c.handled:
			if err := c.settle(ctx, h); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

// finish waits for the handlers, and for the call for fresh events. What that brings comes again.
func (c *Consumer) finish(ctx context.Context) {
	for c.running > 0 {
		if err := c.settle(ctx, <-c.handled); err != nil {
			c.Log.WarnContext(ctx, "an event that was handled may come again", "group", c.Group, "error", err)
		}
	}
	if c.fresh != nil {
		<-c.fresh
		c.fresh = nil
	}
}

// acknowledge tells that events had their effects, also when ctx has ended: otherwise they would come again.
func (c *Consumer) acknowledge(ctx context.Context) error {
	if len(c.done) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), acknowledgeTimeout)
	defer cancel()
	err := c.Queue.Acknowledge(ctx, c.Group, c.done)
	if err == nil {
		c.done = c.done[:0]
	}
	return err
}

// try gives an event to a handler. One whose consumers have died at its last try is settled at once.
func (c *Consumer) try(ctx context.Context, h *held) error {
	c.running++
	h.running = true
	if h.Try > c.Tries {
		return c.settle(ctx, handled{h, errDied})
	}
	if h.begun < h.Try {
		h.begun = h.Try
		if err := c.touch(ctx, h); err != nil {
			c.running--
			h.running = false
			return err
		}
	}
	go func() { c.handled <- handled{h, c.handle(ctx, &h.Delivery)} }()
	return nil
}

// settle lets go what was handled, or makes a dead letter of it, or gives it a time for its next try.
func (c *Consumer) settle(ctx context.Context, h handled) (err error) {
	c.running--
	h.running = false
	if h.err == nil {
		c.handling.Note(ctx, c.Log, nil, "group", c.Group)
		c.letGo(h.held)
		return nil
	}
	excused := rail.CodeOf(h.err) == rail.Unavailable || ctx.Err() != nil
	if h.Err != nil || h.Try >= c.Tries && !excused {
		buried, err := c.bury(ctx, h.held, h.err)
		if buried {
			c.letGo(h.held)
		}
		if buried || err != nil {
			return err
		}
	}
	if excused {
		h.begun--
		err = c.touch(context.WithoutCancel(ctx), h.held)
	} else {
		h.Try = min(h.Try+1, c.Tries+1)
		c.handling.Note(ctx, c.Log, h.err, "group", c.Group, "event", h.Event.ID(), "type", h.Event.Type,
			"next_try", h.Try)
	}
	h.waits = min(max(2*h.waits, c.Backoff), maxBackoff)
	h.due = time.Now().Add(h.waits)
	return err
}

// letGo takes an event out of hand, to be acknowledged.
func (c *Consumer) letGo(h *held) {
	if at, has := c.find(h.ID); has {
		c.hand = slices.Delete(c.hand, at, at+1)
	}
	if len(c.done) == 0 {
		c.doneSince = time.Now()
	}
	c.done = append(c.done, h.ID)
}

// touch says that events are still in hand, and how many tries of each were begun.
func (c *Consumer) touch(ctx context.Context, hand ...*held) error {
	deliveries := make([]Delivery, len(hand))
	for i, h := range hand {
		deliveries[i] = h.Delivery
		deliveries[i].Try = h.begun
	}
	return c.Queue.Touch(ctx, c.Group, c.Name, deliveries)
}

// handle gives an event to the handler.
func (c *Consumer) handle(ctx context.Context, d *Delivery) (err error) {
	if d.Elsewhere {
		return nil
	}
	if d.Err != nil {
		return rail.Refuse(rail.Invalid, "this is no event that can be read")
	}
	ctx, cancel := context.WithTimeout(ctx, c.HandleTimeout)
	defer cancel()
	defer func() {
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("panic: %v\n%s", panicked, debug.Stack())
		}
	}()
	return c.Handler(ctx, d.Event)
}

// bury makes a dead letter of an event. Where there are too many, the event stays in hand.
func (c *Consumer) bury(ctx context.Context, h *held, why error) (bool, error) {
	reason := reasonOf(why)
	err := c.Queue.Bury(ctx, c.Group, h.Delivery, reason)
	if errors.Is(err, ErrFull) {
		c.Log.ErrorContext(ctx, "a group has too many dead letters: its consumer keeps what it cannot handle",
			"group", c.Group, "event", h.Event.ID())
		return false, nil
	}
	if err != nil {
		return false, err
	}
	c.Log.ErrorContext(ctx, "an event could not be handled and is a dead letter now: see interlock messages dead",
		"group", c.Group, "event", h.Event.ID(), "type", h.Event.Type, "tries", h.Try, "reason", reason, "error", why)
	return true, nil
}

// reasonOf is what may be kept of an error.
func reasonOf(err error) string {
	reason := string(rail.CodeOf(err))
	var refusal *rail.Error
	if errors.As(err, &refusal) {
		reason += ": " + refusal.Message
	}
	if len(reason) > maxReason {
		reason = reason[:maxReason]
	}
	return reason
}
