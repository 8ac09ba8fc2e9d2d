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

// decide says what to do about what was seen. All of it is looked at again under the locks, before anything is done.
// missed counts the looks in a row that missed the last primary. failed is the member whose action failed last.
func (sup *Supervisor) decide(members []Member, missed *int, failed string) action {
	p, err := primaryOf(members)
	if err == nil {
		*missed = 0
		return sup.lookAfter(members, p, failed)
	}
	alarm := messageOf(err)
	fence := sup.fenceStale(members, alarm, failed)
	if fence.do != nil && fence.member != failed {
		return fence
	}
	for i := range members {
		if members[i].Answers() && !members[i].ReadOnly && !stale(members, i) {
			next := sup.helpWritable(members, i, alarm, failed)
			if next.do != nil || fence.do == nil {
				return next
			}
		}
	}
	if fence.do != nil {
		return fence
	}
	return sup.openAnother(members, missed, alarm)
}

// fenceStale fences a writable member beside which another was opened later. It prefers one whose fencing has not just
// failed.
func (sup *Supervisor) fenceStale(members []Member, alarm, failed string) (next action) {
	for i := range members {
		if stale(members, i) && (next.do == nil || next.member == failed) {
			next = action{"fence", members[i].Name, func(ctx context.Context) error { return sup.fence(ctx, i) }, alarm}
		}
	}
	return next
}

// helpWritable finds a follower for a writable member that is not the primary. It has to have its replicas started, or
// get one; an opening would not mend that.
func (sup *Supervisor) helpWritable(members []Member, writable int, alarm, failed string) action {
	if next := sup.startReceiver(members, writable, alarm); next.do != nil {
		return next
	}
	return sup.accompany(members, alarm, failed)
}

// openAnother opens a member where none is writable. The last primary is opened at once where it answers. Where it does
// not, it counts as dead only after lostLooks looks in a row.
func (sup *Supervisor) openAnother(members []Member, missed *int, alarm string) action {
	last := lastPrimary(members)
	if last == "" {
		return action{alarm: alarm + "; it was never opened: interlock failover open"}
	}
	open := func(o OpenOptions) func(context.Context) error {
		return func(ctx context.Context) error { _, err := sup.Open(ctx, o); return err }
	}
	if i, err := sup.index(last); err == nil && members[i].Answers() {
		*missed = 0
		return action{"open", last, open(OpenOptions{}), alarm}
	}
	*missed++
	if *missed < lostLooks || !lost(members, last) {
		return action{alarm: alarm}
	}
	return action{"fail over", last, open(OpenOptions{silent: last}), alarm}
}

// lookAfter keeps every member at the primary's side. An action that failed on one member is tried again only when no
// other member needs anything: a join that is refused for ever must not keep another member from being fenced, or from
// joining.
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
	if next.alarm == "" {
		next.alarm = sup.alarmOf(primary, followers)
	}
	return next
}

// alarmOf is what is wrong with a primary of which so many followers are known; "" where nothing is.
func (sup *Supervisor) alarmOf(primary *Member, followers int64) string {
	if len(primary.Wrong) > 0 {
		return wrongSettings(primary)
	}
	if err := sup.whole(&primary.Record); err != nil {
		return messageOf(err)
	}
	if strangers := primary.Source.Clients - followers; strangers > 0 {
		return fmt.Sprintf("%d replicas acknowledge commits of %s and are not among the supervisor's members: "+
			"at a failover nobody would ask what they have", strangers, primary.Name)
	}
	return ""
}

// lookAfterOne is what a member needs that is not the primary.
func (sup *Supervisor) lookAfterOne(primary, m *Member, i, p int) action {
	needs := func(name, alarm string, do func(context.Context) error) action {
		return action{name, m.Name, do, m.Name + " " + alarm}
	}
	gone := primary.Record.absent(m.Name)
	excluded := gone != nil && gone.State == Excluded
	switch {
	case !m.Answers() && excluded:
	case !m.Answers():
		return action{alarm: fmt.Sprintf("%s does not answer: %s", m.Name, m.Problem)}
	case !m.ReadOnly:
		return needs("fence", "is writable beside the primary",
			func(ctx context.Context) error { return sup.fence(ctx, i) })
	case m.Cloning, sup.rebuilds(m.Name):
		return action{alarm: m.Name + " is being rebuilt"}
	case excluded && m.Receiver != nil: // also one that does not run: it would after a restart
		return needs("disconnect", "is excluded and receives",
			func(ctx context.Context) error { return sup.disconnect(ctx, i) })
	case excluded:
	case !primary.Record.counts(m.Name), primary.Record.servers[m.Name] != m.UUID,
		!m.Follows(primary) && !connecting(m, primary):
		return needs("join", "does not follow the primary",
			func(ctx context.Context) error { return sup.join(ctx, i, false) })
	case !m.Follows(primary):
		return action{alarm: fmt.Sprintf("%s does not reach the primary: %s", m.Name, m.Receiver.Error)}
	case m.mute:
		return needs("start the receiver", "follows the primary and acknowledges nothing",
			func(ctx context.Context) error { return sup.start(ctx, i, p) })
	case !m.Receiver.Applying:
		return action{alarm: fmt.Sprintf("%s does not apply what it receives: %s", m.Name, m.Receiver.ApplyError)}
	case len(m.Wrong) > 0:
		return action{alarm: wrongSettings(m)}
	}
	return action{}
}

// wrongSettings is an alarm and no more: to keep a replica away for its settings would leave fewer that acknowledge.
func wrongSettings(m *Member) string {
	return fmt.Sprintf("the settings of %s break a promise: %s", m.Name, strings.Join(m.Wrong, ", "))
}

// connecting tells whether a member is on its way to the primary by itself.
func connecting(m, primary *Member) bool {
	return m.Receiver != nil && m.Receiver.Source == primary.Name && m.Receiver.State != receiverOff
}

// startReceiver starts a replica of a writable member whose receiver was stopped, by a person or by an attempt that
// broke off. It also starts one anew that is connected and does not acknowledge.
func (sup *Supervisor) startReceiver(members []Member, writable int, alarm string) action {
	for i := range members {
		m := &members[i]
		if i == writable || !m.Answers() || m.Receiver == nil || m.Receiver.Source != members[writable].Name ||
			members[writable].Record.absent(m.Name) != nil {
			continue
		}
		// A receiver with an error has stopped by itself, and would again.
		if !m.mute && (m.Receiver.State != receiverOff || m.Receiver.Error != "") {
			continue
		}
		start := func(ctx context.Context) error { return sup.start(ctx, i, writable) }
		return action{"start the receiver", m.Name, start, alarm}
	}
	return action{alarm: alarm}
}

// accompany has a member follow a writable one that has no follower. It prefers a member that counts, and one whose
// join has not just failed.
func (sup *Supervisor) accompany(members []Member, alarm, failed string) action {
	next := action{alarm: alarm}
	w := lonely(members)
	if w < 0 {
		return next
	}
	record := &members[w].Record
	for i := range members {
		m := &members[i]
		if i == w || !sup.mayAccompany(m, &members[w]) {
			continue
		}
		if next.do == nil || next.member == failed ||
			record.absent(m.Name) == nil && record.absent(next.member) != nil {
			next = action{"join", m.Name, func(ctx context.Context) error { return sup.join(ctx, i, false) }, alarm}
		}
	}
	return next
}

// mayAccompany tells whether a member may be moved to a writable one.
func (sup *Supervisor) mayAccompany(m, writable *Member) bool {
	if !m.Answers() || m.Cloning || sup.rebuilds(m.Name) || connecting(m, writable) || elsewhere(m, writable) {
		return false
	}
	gone := writable.Record.absent(m.Name)
	return gone == nil || gone.State != Excluded
}

// messageOf is a refusal's text without its code.
func messageOf(err error) string {
	var known *rail.Error
	if errors.As(err, &known) {
		return known.Message
	}
	return err.Error()
}
