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
	// DefaultTries is how often an event is tried before it becomes a dead letter: for five minutes, with DefaultBackoff.
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
	// Tries, Backoff and HandleTimeout are the defaults where they are 0.
	Tries         int
	Backoff       time.Duration
	HandleTimeout time.Duration

	// hand is what it has and has not acknowledged, in order.
	hand []*held
	// done had their effects, and are to be acknowledged.
	done []ledger.StreamID
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
	// begun is how many tries were begun, as the queue knows it. A try is noted before the handler is called: an event
	// that kills its handler's process becomes a dead letter as well, and the others in hand do not.
	begun int
	// due is when it is to be tried.
	due time.Time
	// waits is the last pause.
	waits time.Duration
}

// Run consumes until ctx ends. It returns an error at once where the group's name is none.
func (c *Consumer) Run(ctx context.Context) error {
	if err := CheckGroup(c.Group); err != nil {
		return err
	}
	if c.Tries == 0 {
		c.Tries = DefaultTries
	}
	if c.Backoff == 0 {
		c.Backoff = DefaultBackoff
	}
	if c.HandleTimeout == 0 {
		c.HandleTimeout = DefaultHandleTimeout
	}
	c.handling = logonce.Warn("an event could not be handled yet: it is tried again", "events are handled again")
	c.handling.Calm = maxBackoff
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
			// The stream is new, or was flushed: what is in hand comes again.
			c.hand, c.done = nil, nil
			err = c.Queue.MakeGroup(ctx, c.Group)
		}
		if err != nil {
			pause.For(ctx, retryInterval)
		}
	}
	return nil
}

// pass takes what there is room for, and handles what is due.
func (c *Consumer) pass(ctx context.Context) error {
	err := errors.Join(c.acknowledge(ctx), c.takeOver(ctx))
	if err != nil {
		return err
	}
	switch room := inHand - len(c.hand); {
	case room <= 0:
		pause.For(ctx, c.idle())
	case !c.ownRead:
		err = c.readOwn(ctx, room)
	default:
		var fresh []Delivery
		fresh, err = c.Queue.Fresh(ctx, c.Group, c.Name, room, c.idle())
		c.take(fresh)
	}
	if err != nil {
		return err
	}
	return c.handleDue(ctx)
}

// idle is how long there is nothing to do but to wait for fresh events.
func (c *Consumer) idle() time.Duration {
	wait := freshWait
	for _, h := range c.hand {
		wait = min(wait, time.Until(h.due))
	}
	return max(wait, time.Millisecond)
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
		at, has := slices.BinarySearchFunc(c.hand, deliveries[i].ID,
			func(h *held, id ledger.StreamID) int { return h.ID.Compare(id) })
		if !has {
			// The queue notes a try with the first delivery. To be given an event again is no try yet: see takeAgain.
			h := &held{Delivery: deliveries[i], begun: max(1, deliveries[i].Try-1)}
			c.hand = slices.Insert(c.hand, at, h)
		}
	}
}

// takeAgain puts deliveries in hand that were given out before.
func (c *Consumer) takeAgain(ctx context.Context, deliveries []Delivery) error {
	if len(deliveries) == 0 {
		return nil
	}
	c.take(deliveries)
	return c.touch(ctx, c.hand...)
}

// handleDue handles what is due, in order. An event waits for earlier ones of its subject.
func (c *Consumer) handleDue(ctx context.Context) (err error) {
	waits := map[string]bool{}
	hand := c.hand
	c.hand = nil
	for i, h := range hand {
		if time.Since(c.touched) >= c.HandleTimeout && err == nil {
			err = c.touch(ctx, append(slices.Clone(c.hand), hand[i:]...)...)
			c.touched = time.Now()
		}
		subject := h.Event.Subject()
		settled := false
		if err == nil && ctx.Err() == nil && !waits[subject] && !h.due.After(time.Now()) {
			settled, err = c.try(ctx, h)
		}
		if settled {
			c.done = append(c.done, h.ID)
			continue
		}
		waits[subject] = true
		c.hand = append(c.hand, h)
	}
	return errors.Join(err, c.acknowledge(ctx))
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

// try handles an event, and tells whether it is settled: handled, or a dead letter. If not, it has a time for its next
// try.
func (c *Consumer) try(ctx context.Context, h *held) (settled bool, err error) {
	var why error = errDied
	if h.Try <= c.Tries {
		if h.begun < h.Try {
			h.begun = h.Try
			if err := c.touch(ctx, h); err != nil {
				return false, err
			}
		}
		if why = c.handle(ctx, &h.Delivery); why == nil {
			c.handling.Note(ctx, c.Log, nil, "group", c.Group)
			return true, nil
		}
	}
	excused := rail.CodeOf(why) == rail.Unavailable || ctx.Err() != nil
	if h.Err != nil || h.Try >= c.Tries && !excused {
		if settled, err = c.bury(ctx, h, why); settled || err != nil {
			return settled, err
		}
	}
	if excused {
		h.begun--
		err = c.touch(context.WithoutCancel(ctx), h)
	} else {
		h.Try = min(h.Try+1, c.Tries+1)
		c.handling.Note(ctx, c.Log, why, "group", c.Group, "event", h.Event.ID(), "type", h.Event.Type,
			"next_try", h.Try)
	}
	h.waits = min(max(2*h.waits, c.Backoff), maxBackoff)
	h.due = time.Now().Add(h.waits)
	return false, err
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
