package failover

import (
	"slices"

	"interlock/services/mysqlcluster"
)

// lastPrimary is the member that was opened last, as far as the members that answer know; "" where none ever was.
func lastPrimary(members []Member) string { return lastRecord(members).Primary }

// lastRecord is the record with the highest epoch among the members' records.
func lastRecord(members []Member) *Record {
	last := &Record{}
	for i := range members {
		if r := &members[i].Record; r.Epoch > last.Epoch {
			last = r
		}
	}
	return last
}

// primaryOf is the index of the one member that may be sold on. Where there is none it is -1 and the reason.
func primaryOf(members []Member) (int, error) {
	said := make([]mysqlcluster.Member, len(members))
	for i := range members {
		m := &members[i]
		said[i] = mysqlcluster.Member{
			Name: m.Name, Answers: m.Answers(), Writable: !m.ReadOnly, SemiSync: m.Source.Enabled && m.Source.Active,
			Replicas: m.Source.Clients, Epoch: m.Record.Epoch, Opened: m.Record.Primary,
		}
	}
	return mysqlcluster.Primary(said)
}

// lost tells whether the primary is lost, and not only to this supervisor. That is so if the primary answers: then it
// does not matter who else reaches it. It is also so if a replica that counts and answers does not hear it. An absent
// member is no witness, since it hears no primary anyway. Its absence may be missing in its own record.
func lost(members []Member, primary string) bool {
	epoch := lastRecord(members).Epoch
	away := func(name string) bool {
		return slices.ContainsFunc(members,
			func(m Member) bool { return m.Record.Epoch == epoch && m.Record.absent(name) != nil })
	}
	for i := range members {
		m := &members[i]
		if m.Name == primary && m.Answers() {
			return true
		}
		if m.Name != primary && m.Answers() && !away(m.Name) && !m.Receiver.hears(primary) {
			return true
		}
	}
	return false
}

// stale tells whether a member is writable although another was opened later.
func stale(members []Member, i int) bool {
	m := &members[i]
	if !m.Answers() || m.ReadOnly {
		return false
	}
	for j := range members {
		other := &members[j]
		if j != i && other.Answers() && other.Record.Epoch > m.Record.Epoch &&
			(!other.ReadOnly || other.Record.Primary != other.Name) {
			return true
		}
	}
	return false
}

// lonely is the one writable member, if it was opened last and lacks nothing but a replica that acknowledges: its
// orders wait. It is -1 where there is no such member.
func lonely(members []Member) int {
	found := -1
	for i := range members {
		m := &members[i]
		switch {
		case !m.Answers() || m.ReadOnly:
			continue
		case found >= 0 || m.Source.Clients > 0 || !m.Source.Enabled || !m.Source.Active:
			return -1
		}
		found = i
	}
	if found < 0 || lastRecord(members).Epoch != members[found].Record.Epoch ||
		members[found].Record.Primary != members[found].Name {
		return -1
	}
	return found
}
