package failover

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"interlock/services/rail"
)

// action is the one thing to be done next.
type action struct {
	name, member string
	do           func(context.Context) error
	// alarm is what is wrong with the cluster; "" for nothing.
	alarm string
}

// decide says what to do about what was seen. Whatever it says is looked at again under the locks. failed is the member whose
// action failed last.
func (sup *Supervisor) decide(members []Member, missed *int, failed string) action {
	p, err := primaryOf(members)
	if err == nil {
		*missed = 0
		return sup.lookAfter(members, p, failed)
	}
	alarm, shut := messageOf(err), action{}
	for i := range members {
		if stale(members, i) {
			shut = action{"fence", members[i].Name, func(ctx context.Context) error { return sup.fence(ctx, i) }, alarm}
			if shut.member != failed {
				return shut
			}
		}
	}
	for i := range members {
		if members[i].Answers() && !members[i].ReadOnly && !stale(members, i) {
			// It is open, and something is amiss that an opening would not mend: its replicas may have to be started, or found.
			next := sup.startReceiver(members, i, alarm)
			if next.do == nil {
				next = sup.accompany(members, alarm, failed)
			}
			if next.do != nil || shut.do == nil {
				return next
			}
		}
	}
	if shut.do != nil {
		return shut
	}
	last := lastPrimary(members)
	if last == "" {
		return action{alarm: alarm + "; it was never opened: interlock failover open"}
	}
	open := func(ctx context.Context) error { _, err := sup.Open(ctx, OpenOptions{}); return err }
	if i, err := sup.index(last); err == nil && members[i].Answers() {
		*missed = 0
		return action{"open", last, open, alarm}
	}
	*missed++
	if *missed < lostLooks || !lost(members, last) {
		return action{alarm: alarm}
	}
	takeOver := func(ctx context.Context) error { _, err := sup.Open(ctx, OpenOptions{silent: last}); return err }
	return action{"fail over", last, takeOver, alarm}
}

// lookAfter keeps every member at the primary's side. What went wrong with one member is tried again only when no other
// needs anything: a join that is refused for ever must keep nobody from being shut, or from joining.
func (sup *Supervisor) lookAfter(members []Member, p int, failed string) action {
	primary := &members[p]
	next, followers := action{}, int64(0)
	for i := range members {
		if i == p {
			continue
		}
		if members[i].Follows(primary) && !members[i].mute {
			followers++
		}
		one := sup.lookAfterOne(primary, &members[i], i, p)
		if one.name == "fence" && one.member != failed {
			return one // before anything else
		}
		if one.do != nil && (next.do == nil || next.member == failed) || next.do == nil && one.alarm != "" {
			next = one
		}
	}
	if len(primary.Wrong) > 0 && next.alarm == "" {
		next.alarm = wrongSettings(primary)
	}
	if err := sup.whole(&primary.Record); err != nil && next.alarm == "" {
		next.alarm = messageOf(err)
	}
	if strangers := primary.Source.Clients - followers; strangers > 0 && next.alarm == "" {
		next.alarm = fmt.Sprintf("%d replicas acknowledge commits of %s and are not among the supervisor's members: at a failover nobody would "+
			"ask what they have", strangers, primary.Name)
	}
	return next
}

// lookAfterOne is what a member needs that is not the primary.
func (sup *Supervisor) lookAfterOne(primary, m *Member, i, p int) action {
	gone := primary.Record.absent(m.Name)
	switch {
	case !m.Answers():
		if gone == nil || gone.State != Excluded {
			return action{alarm: fmt.Sprintf("%s does not answer: %s", m.Name, m.Problem)}
		}
	case !m.ReadOnly:
		return action{"fence", m.Name, func(ctx context.Context) error { return sup.fence(ctx, i) }, m.Name + " is writable beside the primary"}
	case m.Cloning, sup.rebuilds(m.Name):
		return action{alarm: m.Name + " is being rebuilt"}
	case gone != nil && gone.State == Excluded:
		if m.Receiver != nil { // also one that does not run: it would after a restart
			return action{"disconnect", m.Name, func(ctx context.Context) error { return sup.disconnect(ctx, i) }, m.Name + " is excluded and receives"}
		}
	case !primary.Record.counts(m.Name), primary.Record.servers[m.Name] != m.UUID, !m.Follows(primary) && !connecting(m, primary):
		return action{"join", m.Name, func(ctx context.Context) error { return sup.join(ctx, i, false) }, m.Name + " does not follow the primary"}
	case !m.Follows(primary):
		return action{alarm: fmt.Sprintf("%s does not reach the primary: %s", m.Name, m.Receiver.Error)}
	case m.mute:
		return action{"start the receiver", m.Name, func(ctx context.Context) error { return sup.start(ctx, i, p) }, m.Name + " follows the primary and acknowledges nothing"}
	case !m.Receiver.Applying:
		return action{alarm: fmt.Sprintf("%s does not apply what it receives: %s", m.Name, m.Receiver.ApplyError)}
	case len(m.Wrong) > 0:
		return action{alarm: wrongSettings(m)}
	}
	return action{}
}

// wrongSettings is an alarm and no more: to keep a replica away for them would leave fewer that acknowledge.
func wrongSettings(m *Member) string {
	return fmt.Sprintf("the settings of %s break a promise: %s", m.Name, strings.Join(m.Wrong, ", "))
}

// connecting tells whether a member is on its way to the primary by itself.
func connecting(m, primary *Member) bool {
	return m.Receiver != nil && m.Receiver.Source == primary.Name && m.Receiver.State != receiverOff
}

// startReceiver lets replicas of a writable member go on whose receiver was stopped, by a person or an attempt that broke
// off, or has to be started anew to acknowledge.
func (sup *Supervisor) startReceiver(members []Member, writable int, alarm string) action {
	for i := range members {
		m := &members[i]
		if i == writable || !m.Answers() || m.Receiver == nil || m.Receiver.Source != members[writable].Name ||
			members[writable].Record.absent(m.Name) != nil {
			continue
		}
		// One with an error has stopped by itself, and would again.
		if !m.mute && (m.Receiver.State != receiverOff || m.Receiver.Error != "") {
			continue
		}
		return action{"start the receiver", m.Name, func(ctx context.Context) error { return sup.start(ctx, i, writable) }, alarm}
	}
	return action{alarm: alarm}
}

// accompany lets somebody follow a writable member whom nobody follows: one that counts rather than one that does not.
func (sup *Supervisor) accompany(members []Member, alarm, failed string) action {
	w := lonely(members)
	if w < 0 {
		return action{alarm: alarm}
	}
	next := action{alarm: alarm}
	for i := range members {
		m := &members[i]
		gone := members[w].Record.absent(m.Name)
		if i == w || !m.Answers() || m.Cloning || sup.rebuilds(m.Name) || connecting(m, &members[w]) ||
			elsewhere(m, &members[w]) || gone != nil && gone.State == Excluded {
			continue
		}
		if next.do == nil || next.member == failed || gone == nil && members[w].Record.absent(next.member) != nil {
			next = action{"join", m.Name, func(ctx context.Context) error { return sup.join(ctx, i, false) }, alarm}
		}
	}
	return next
}

// messageOf is a refusal's text without its code.
func messageOf(err error) string {
	var known *rail.Error
	if errors.As(err, &known) {
		return known.Message
	}
	return err.Error()
}
