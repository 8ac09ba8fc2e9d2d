package streams

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"interlock/services/ledger"
	"interlock/services/messages"
)

// answerTime is how much longer than it waits a call for fresh entries may take.
const answerTime = 2 * time.Second

// Fresh implements messages.Queue.
func (s *Stream) Fresh(ctx context.Context, group, consumer string, limit int, wait time.Duration) (
	[]messages.Delivery, error,
) {
	ctx, cancel := context.WithTimeout(ctx, wait+answerTime)
	defer cancel()
	// To wait for 0 would be to wait for ever.
	found, err := s.client.XReadGroup(ctx, &redis.XReadGroupArgs{
		Group: group, Consumer: consumer, Streams: []string{s.key, ">"}, Count: int64(limit),
		Block: max(wait, time.Millisecond),
	}).Result()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err != nil || len(found) == 0 {
		return nil, noGroup(err)
	}
	deliveries := make([]messages.Delivery, 0, len(found[0].Messages))
	for i := range found[0].Messages {
		d, err := read(&found[0].Messages[i], group)
		if err != nil {
			return nil, err
		}
		d.Try = 1
		deliveries = append(deliveries, d)
	}
	return deliveries, nil
}

// Own implements messages.Queue.
//
// Redis would answer with the consumer's entries to XREADGROUP, too, but without their tries, and miniredis without
// those that were trimmed away.
func (s *Stream) Own(ctx context.Context, group, consumer string, after ledger.StreamID, limit int) (
	own []messages.Delivery, next ledger.StreamID, err error,
) {
	pending, err := s.client.XPendingExt(ctx, &redis.XPendingExtArgs{
		Stream: s.key, Group: group, Consumer: consumer,
		Start: following(after).String(), End: "+", Count: int64(limit),
	}).Result()
	if err != nil || len(pending) == 0 {
		return nil, next, noGroup(err)
	}
	if len(pending) == limit {
		if next, err = ledger.ParseStreamID(pending[len(pending)-1].ID); err != nil {
			return nil, next, err
		}
	}
	own, err = s.claim(ctx, group, consumer, 0, pending)
	return own, next, err
}

// TakeOver implements messages.Queue.
func (s *Stream) TakeOver(ctx context.Context, group, consumer string, idle time.Duration, limit int) (
	[]messages.Delivery, error,
) {
	pending, err := s.client.XPendingExt(ctx, &redis.XPendingExtArgs{
		Stream: s.key, Group: group, Idle: idle, Start: "-", End: "+", Count: int64(limit),
	}).Result()
	if err != nil {
		return nil, noGroup(err)
	}
	others := pending[:0]
	for _, p := range pending {
		if p.Consumer != consumer {
			others = append(others, p)
		}
	}
	return s.claim(ctx, group, consumer, idle, others)
}

// claim gives entries to a consumer, unless another has touched them within idle. It acknowledges those that are not in
// the stream any more: they can be given to no consumer, and the relay feeds them again.
func (s *Stream) claim(
	ctx context.Context, group, consumer string, idle time.Duration, pending []redis.XPendingExt,
) ([]messages.Delivery, error) {
	if len(pending) == 0 {
		return nil, nil
	}
	tries := make(map[string]int, len(pending))
	ids := make([]string, len(pending))
	for i, p := range pending {
		ids[i], tries[p.ID] = p.ID, int(p.RetryCount)+1
	}
	claimed, err := s.client.XClaim(ctx, &redis.XClaimArgs{
		Stream: s.key, Group: group, Consumer: consumer, MinIdle: idle, Messages: ids,
	}).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, noGroup(err)
	}
	deliveries := make([]messages.Delivery, 0, len(claimed))
	for i := range claimed {
		if claimed[i].Values == nil { // Redis before 7.0 answers so with what was trimmed away.
			continue
		}
		d, err := read(&claimed[i], group)
		if err != nil {
			return nil, err
		}
		d.Try = tries[claimed[i].ID]
		delete(tries, claimed[i].ID)
		deliveries = append(deliveries, d)
	}
	return deliveries, s.acknowledgeGone(ctx, group, tries)
}

// acknowledgeGone acknowledges those entries that are not in the stream.
func (s *Stream) acknowledgeGone(ctx context.Context, group string, tries map[string]int) error {
	for id := range tries {
		there, err := s.client.XRange(ctx, s.key, id, id).Result()
		if err != nil {
			return err
		}
		if len(there) > 0 { // Another consumer has it.
			continue
		}
		if err := s.client.XAck(ctx, s.key, group, id).Err(); err != nil {
			return err
		}
	}
	return nil
}

// Touch implements messages.Queue.
func (s *Stream) Touch(ctx context.Context, group, consumer string, deliveries []messages.Delivery) error {
	if len(deliveries) == 0 {
		return nil
	}
	_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i := range deliveries {
			// go-redis has no RETRYCOUNT. JUSTID leaves the entry's text out.
			p.Do(ctx, "XCLAIM", s.key, group, consumer, 0, deliveries[i].ID.String(),
				"RETRYCOUNT", deliveries[i].Try, "JUSTID")
		}
		return nil
	})
	return noGroup(err)
}

// Acknowledge implements messages.Queue.
func (s *Stream) Acknowledge(ctx context.Context, group string, ids []ledger.StreamID) error {
	if len(ids) == 0 {
		return nil
	}
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = id.String()
	}
	return s.client.XAck(ctx, s.key, group, texts...).Err()
}

// Bury implements messages.Queue.
func (s *Stream) Bury(ctx context.Context, group string, d messages.Delivery, reason string) error {
	done, err := s.bury.Run(ctx, s.client, []string{s.key, s.dead(group)},
		group, d.ID.String(), d.Text, reason, d.Try, s.maxDead).Int()
	if err == nil && done == 0 {
		return messages.ErrFull
	}
	return err
}

// Follow are entries after a place, in order, at most limit, for a reader that only looks. It waits until there are
// any, for at most wait.
func (s *Stream) Follow(ctx context.Context, after ledger.StreamID, limit int, wait time.Duration) (
	[]messages.Delivery, error,
) {
	ctx, cancel := context.WithTimeout(ctx, wait+answerTime)
	defer cancel()
	found, err := s.client.XRead(ctx, &redis.XReadArgs{
		Streams: []string{s.key, after.String()}, Count: int64(limit), Block: max(wait, time.Millisecond),
	}).Result()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err != nil || len(found) == 0 {
		return nil, err
	}
	deliveries := make([]messages.Delivery, len(found[0].Messages))
	for i := range found[0].Messages {
		if deliveries[i], err = read(&found[0].Messages[i], ""); err != nil {
			return nil, err
		}
	}
	return deliveries, nil
}

// Last is the stream's last entry; zero where it has none.
func (s *Stream) Last(ctx context.Context) (ledger.StreamID, error) {
	last, err := s.client.XRevRangeN(ctx, s.key, "+", "-", 1).Result()
	if err != nil {
		return ledger.StreamID{}, err
	}
	return placeOf(last)
}

// Dead implements messages.DeadLetters.
func (s *Stream) Dead(ctx context.Context, group string, after ledger.StreamID, limit int) (
	[]messages.DeadLetter, error,
) {
	found, err := s.client.XRangeN(ctx, s.dead(group), following(after).String(), "+", int64(limit)).Result()
	if err != nil {
		return nil, err
	}
	letters := make([]messages.DeadLetter, len(found))
	for i := range found {
		id, err := ledger.ParseStreamID(found[i].ID)
		if err != nil {
			return nil, err
		}
		tries, _ := strconv.Atoi(text(&found[i], triesField)) // 0 where it was written by hand.
		letters[i] = messages.DeadLetter{
			ID: id, At: time.UnixMilli(id.Millis).UTC(), Text: text(&found[i], eventField),
			Reason: text(&found[i], reasonField), Tries: tries,
		}
	}
	return letters, nil
}

// Replay implements messages.DeadLetters.
func (s *Stream) Replay(ctx context.Context, group string, id ledger.StreamID) (bool, error) {
	done, err := s.replay.Run(ctx, s.client, []string{s.key, s.dead(group)}, group, id.String()).Int()
	return done > 0, err
}

// Drop implements messages.DeadLetters.
func (s *Stream) Drop(ctx context.Context, group string, id ledger.StreamID) (bool, error) {
	done, err := s.client.XDel(ctx, s.dead(group), id.String()).Result()
	return done > 0, err
}

// read makes a delivery of an entry. An entry that was written by hand may be no event.
func read(entry *redis.XMessage, group string) (messages.Delivery, error) {
	id, err := ledger.ParseStreamID(entry.ID)
	if err != nil {
		return messages.Delivery{}, err
	}
	d := messages.Delivery{ID: id, Text: text(entry, eventField)}
	if only := text(entry, groupField); only != "" && group != "" && only != group {
		d.Elsewhere = true
	}
	d.Err = json.Unmarshal([]byte(d.Text), &d.Event)
	return d, nil
}

func text(entry *redis.XMessage, field string) string {
	value, _ := entry.Values[field].(string)
	return value
}

// noGroup gives Redis's error for a group that is not there its name.
func noGroup(err error) error {
	if redis.HasErrorPrefix(err, "NOGROUP") {
		return messages.ErrNoGroup
	}
	return err
}
