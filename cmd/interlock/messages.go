package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"interlock/internal/pause"
	"interlock/services/ledger"
	"interlock/services/messages"
	"interlock/services/messages/streams"
	"interlock/services/rail"
)

// messagesCommand looks at events.
type messagesCommand struct {
	Status messagesStatusCommand `cmd:"" help:"Show what waits, and how far each group of consumers has come."`
	Tail   messagesTailCommand   `cmd:"" help:"Print events as they are published, one JSON document a line."`
	Dead   messagesDeadCommand   `cmd:"" help:"Look at events that a group could not handle."`
	Forget messagesForgetCommand `cmd:"" help:"Wait no longer for a group that is not used any more."`
}

// messagesDeadCommand decides about dead letters.
type messagesDeadCommand struct {
	List   deadListCommand   `cmd:"" help:"List them, the oldest first."`
	Replay deadReplayCommand `cmd:"" help:"Give them to the group once more."`
	Drop   deadDropCommand   `cmd:"" help:"Forget them."`
}

// withMessages does something with the ledger and the stream, and closes them.
func withMessages(ctx context.Context, s *Settings, log *slog.Logger, do func(*stores) error) error {
	opened, err := openAsTheyAre(ctx, s, log)
	if err != nil {
		return err
	}
	if opened.messages == nil {
		return errors.Join(fmt.Errorf("%s: %w, and so no Redis with events; those that wait are in the ledger",
			s.Data, errNoServer), opened.Close())
	}
	return errors.Join(do(opened), opened.Close())
}

// chosenStream says which events a command is about.
type chosenStream struct {
	Stream string `help:"Events of orders and runs, or payments." enum:"events,payments" default:"events"`
}

// with does something with the stream that was chosen.
func (c chosenStream) with(
	ctx context.Context, s *Settings, log *slog.Logger, do func(*streams.Stream) error,
) error {
	return withMessages(ctx, s, log, func(opened *stores) error {
		if c.Stream == streams.Payments {
			return do(opened.payments)
		}
		return do(opened.messages)
	})
}

// withOutbox does something with the outbox and the stream of the events that were chosen.
func (c chosenStream) withOutbox(
	ctx context.Context, s *Settings, log *slog.Logger, do func(messages.Outbox, *streams.Stream) error,
) error {
	return withMessages(ctx, s, log, func(opened *stores) error {
		if c.Stream != streams.Payments {
			return do(opened.ledger, opened.messages)
		}
		written, err := openWrittenPayments(ctx, s, log)
		if err != nil {
			return err
		}
		if written == nil {
			return errors.New("there are no events of payments: payments are made at once here")
		}
		return errors.Join(do(written, opened.payments), written.Close())
	})
}

type messagesStatusCommand struct {
	chosenStream
	JSON bool `name:"json" help:"Print one JSON document."`
}

// messagesReport is the status as JSON.
type messagesReport struct {
	OK bool `json:"ok"`
	// Redis is why it does not answer, "" where it does.
	Redis                    string        `json:"redis,omitempty"`
	Unpublished              int           `json:"unpublished"`
	OldestUnpublishedSeconds float64       `json:"oldestUnpublishedSeconds"`
	Kept                     int           `json:"kept"`
	OldestKeptSeconds        float64       `json:"oldestKeptSeconds"`
	Groups                   []groupReport `json:"groups"`
}

type groupReport struct {
	Name        string  `json:"name"`
	Pending     int64   `json:"pending"`
	LagSeconds  float64 `json:"lagSeconds"`
	DeadLetters int64   `json:"deadLetters"`
}

// Run exits with 1 when something waits for a person, and with 2 when the database or Redis does not answer.
func (c messagesStatusCommand) Run(ctx context.Context, settings *Settings, log *slog.Logger, out io.Writer) error {
	return c.withOutbox(ctx, settings, log, func(outbox messages.Outbox, stream *streams.Stream) error {
		status, ledgerErr, streamErr := messages.Look(ctx, outbox, stream)
		if ledgerErr != nil {
			return ledgerErr
		}
		report := newMessagesReport(&status, streamErr)
		var err error
		if c.JSON {
			err = json.NewEncoder(out).Encode(report)
		} else {
			err = report.print(out)
		}
		switch {
		case err != nil:
			return err
		case streamErr != nil:
			return fmt.Errorf("the Redis of messages does not answer: %w", streamErr)
		case !report.OK:
			return errFound
		}
		return nil
	})
}

func newMessagesReport(status *messages.Status, streamErr error) messagesReport {
	report := messagesReport{
		OK: status.Well() && streamErr == nil, Groups: []groupReport{},
		Unpublished: status.Backlog.Unpublished, Kept: status.Backlog.Published,
		OldestUnpublishedSeconds: status.Backlog.OldestUnpublished.Seconds(),
		OldestKeptSeconds:        status.Backlog.OldestPublished.Seconds(),
	}
	if streamErr != nil {
		report.Redis = streamErr.Error()
	}
	for i := range status.Groups {
		g := &status.Groups[i]
		report.Groups = append(report.Groups, groupReport{g.Name, g.Pending, g.Lag.Seconds(), g.Dead})
	}
	return report
}

func (r *messagesReport) print(out io.Writer) error {
	_, err := fmt.Fprintf(out, "%s to be published\n%s for groups to acknowledge\n",
		waiting(r.Unpublished, r.OldestUnpublishedSeconds), waiting(r.Kept, r.OldestKeptSeconds))
	for i := range r.Groups {
		g := &r.Groups[i]
		_, printErr := fmt.Fprintf(out, "group %s: %d pending, %.1f s behind, %s\n", g.Name, g.Pending, g.LagSeconds,
			count(int(g.DeadLetters), "dead letter"))
		err = errors.Join(err, printErr)
	}
	if len(r.Groups) == 0 && r.Redis == "" {
		_, printErr := fmt.Fprintln(out, "no group of consumers")
		err = errors.Join(err, printErr)
	}
	return err
}

// waiting says how many batches of events wait, and how long the oldest has.
func waiting(batches int, oldestSeconds float64) string {
	switch batches {
	case 0:
		return "nothing waits"
	case 1:
		return fmt.Sprintf("1 batch of events waits, for %.1f s by now,", oldestSeconds)
	}
	return fmt.Sprintf("%d batches of events wait, the oldest for %.1f s by now,", batches, oldestSeconds)
}

type messagesTailCommand struct {
	chosenStream
	Count int `help:"End after so many events; 0 is never." default:"0"`
}

const (
	// tailLimit is how many events are read at once, tailWait how long is waited for one.
	tailLimit = 500
	tailWait  = time.Second
	// tailRetry is the pause after a failure.
	tailRetry = time.Second
)

// Run prints events from now on, until it is told to stop. It belongs to no group, and acknowledges nothing: what is
// published while it does not look is not shown. The log says where Redis did not answer.
func (c messagesTailCommand) Run(ctx context.Context, settings *Settings, log *slog.Logger, out io.Writer) error {
	return c.with(ctx, settings, log, func(stream *streams.Stream) error {
		after, err := stream.Last(ctx)
		if err != nil {
			return err
		}
		for printed := 0; ctx.Err() == nil; {
			found, err := stream.Follow(ctx, after, tailLimit, tailWait)
			if err != nil && ctx.Err() == nil {
				log.WarnContext(ctx, "the Redis of messages does not answer", "error", err)
				pause.For(ctx, tailRetry)
			}
			for i := range found {
				after = found[i].ID
				if _, err := fmt.Fprintln(out, found[i].Text); err != nil {
					return err
				}
				if printed++; printed == c.Count {
					return nil
				}
			}
		}
		return nil
	})
}

type deadListCommand struct {
	chosenStream
	Group string `arg:"" help:"Whose."`
	After string `help:"Begin behind this one." placeholder:"ID"`
	Limit int    `help:"How many at most, up to 1000." default:"100"`
	JSON  bool   `name:"json" help:"Print one JSON document a line."`
}

// maxDeadListed is how many dead letters are listed at once.
const maxDeadListed = 1_000

// deadReport is a dead letter as JSON.
type deadReport struct {
	ID     string          `json:"id"`
	At     time.Time       `json:"at"`
	Tries  int             `json:"tries"`
	Reason string          `json:"reason"`
	Event  json.RawMessage `json:"event"`
}

// Run lists dead letters.
func (c deadListCommand) Run(ctx context.Context, settings *Settings, log *slog.Logger, out io.Writer) error {
	var after ledger.StreamID
	if c.After != "" {
		var err error
		if after, err = letterID(c.After); err != nil {
			return err
		}
	}
	if err := messages.CheckGroup(c.Group); err != nil {
		return err
	}
	if c.Limit < 1 || c.Limit > maxDeadListed {
		return rail.Refuse(rail.Invalid, "--limit is 1 to %d, not %d", maxDeadListed, c.Limit)
	}
	return c.with(ctx, settings, log, func(stream *streams.Stream) error {
		found, err := stream.Dead(ctx, c.Group, after, c.Limit)
		for i := range found {
			if err = c.print(out, &found[i]); err != nil {
				return err
			}
		}
		if err == nil && !c.JSON && len(found) == c.Limit {
			_, err = fmt.Fprintf(out, "there may be more: --after %s\n", found[len(found)-1].ID)
		}
		return err
	})
}

func (c deadListCommand) print(out io.Writer, letter *messages.DeadLetter) error {
	if !c.JSON {
		_, err := fmt.Fprintf(out, "%s  %s  %s  %q  %s\n", letter.ID, letter.At.Format(time.RFC3339),
			count(letter.Tries, "attempt"), letter.Reason, letter.Text)
		return err
	}
	event := json.RawMessage(letter.Text)
	if !json.Valid(event) { // It is a dead letter because it is no event.
		event, _ = json.Marshal(letter.Text)
	}
	return json.NewEncoder(out).Encode(deadReport{letter.ID.String(), letter.At, letter.Tries, letter.Reason, event})
}

// chosenLetters are those that a person decides about.
type chosenLetters struct {
	chosenStream
	Group string   `arg:"" help:"Whose."`
	IDs   []string `arg:"" optional:"" name:"id" help:"Which, as listed."`
	All   bool     `help:"All there are."`
}

type deadReplayCommand struct{ chosenLetters }

// Run replays dead letters.
func (c deadReplayCommand) Run(ctx context.Context, settings *Settings, log *slog.Logger, out io.Writer) error {
	return c.decide(ctx, settings, log, out, "replayed",
		func(stream *streams.Stream, id ledger.StreamID) (bool, error) {
			return stream.Replay(ctx, c.Group, id)
		})
}

type deadDropCommand struct{ chosenLetters }

// Run drops dead letters.
func (c deadDropCommand) Run(ctx context.Context, settings *Settings, log *slog.Logger, out io.Writer) error {
	return c.decide(ctx, settings, log, out, "dropped", func(stream *streams.Stream, id ledger.StreamID) (bool, error) {
		return stream.Drop(ctx, c.Group, id)
	})
}

// decide does something with each letter that was chosen. It exits with 1 where one was not there.
func (c chosenLetters) decide(ctx context.Context, settings *Settings, log *slog.Logger, out io.Writer, did string,
	do func(*streams.Stream, ledger.StreamID) (bool, error),
) error {
	if err := messages.CheckGroup(c.Group); err != nil {
		return err
	}
	if c.All == (len(c.IDs) > 0) {
		return rail.Refuse(rail.Invalid, "name dead letters, or give --all: one of the two")
	}
	var ids []ledger.StreamID
	for _, text := range c.IDs {
		id, err := letterID(text)
		if err != nil {
			return err
		}
		ids = append(ids, id)
	}
	return c.with(ctx, settings, log, func(stream *streams.Stream) error {
		done, missing := 0, 0
		decided, err := c.each(ctx, stream, ids, func(id ledger.StreamID) error {
			was, err := do(stream, id)
			switch {
			case err != nil:
				return err
			case was:
				done++
			default:
				missing++
				_, err = fmt.Fprintf(out, "%s: group %s has no such dead letter\n", id, c.Group)
			}
			return err
		})
		if decided || err == nil {
			_, printErr := fmt.Fprintf(out, "%s %s\n", count(done, "dead letter"), did)
			err = errors.Join(err, printErr)
		}
		if err == nil && missing > 0 {
			return errFound
		}
		return err
	})
}

// each calls do for the letters named, or for all that there are at the beginning.
func (c chosenLetters) each(
	ctx context.Context, stream *streams.Stream, ids []ledger.StreamID, do func(ledger.StreamID) error,
) (any bool, err error) {
	if !c.All {
		for _, id := range ids {
			if err := do(id); err != nil {
				return any, err
			}
			any = true
		}
		return any, nil
	}
	var after ledger.StreamID
	begun := time.Now()
	for {
		page, err := stream.Dead(ctx, c.Group, after, maxDeadListed)
		if err != nil || len(page) == 0 || page[0].At.After(begun) {
			return any, err
		}
		for i := range page {
			if err := do(page[i].ID); err != nil {
				return any, err
			}
			any = true
		}
		after = page[len(page)-1].ID
	}
}

func letterID(text string) (ledger.StreamID, error) {
	id, err := ledger.ParseStreamID(text)
	if err != nil {
		return id, rail.Refuse(rail.Invalid, "%q is no dead letter: one is two numbers and a hyphen between them", text)
	}
	return id, nil
}

type messagesForgetCommand struct {
	chosenStream
	Group string `arg:"" help:"Which."`
	Yes   bool   `help:"Do it. What the group has not handled is lost to it, its dead letters included."`
}

// Run takes a group away.
func (c messagesForgetCommand) Run(ctx context.Context, settings *Settings, log *slog.Logger, out io.Writer) error {
	if err := messages.CheckGroup(c.Group); err != nil {
		return err
	}
	if !c.Yes {
		return rail.Refuse(rail.Invalid, "what group %s has not handled would be lost to it, its dead letters "+
			"included; --yes does it", c.Group)
	}
	return c.withOutbox(ctx, settings, log, func(outbox messages.Outbox, stream *streams.Stream) error {
		// The outbox would have the stream make it again.
		known, err := outbox.ForgetEventGroup(ctx, c.Group)
		if err != nil {
			return err
		}
		was, err := stream.RemoveGroup(ctx, c.Group)
		if err != nil {
			return err
		}
		if !known && !was {
			return rail.Refuse(rail.NotFound, "there is no group %s", c.Group)
		}
		_, err = fmt.Fprintf(out, "group %s is forgotten\n", c.Group)
		return err
	})
}
