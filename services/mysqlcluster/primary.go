package mysqlcluster

import (
	"errors"

	"interlock/services/rail"
)

// Member is what a member of the ledger's cluster says of itself, as far as that decides whether it may be sold on.
type Member struct {
	// Name is its address.
	Name string
	// Answers is false where nothing of the rest is known.
	Answers bool
	// Writable members are not read-only.
	Writable bool
	// SemiSync tells that its commits wait for a replica, and that this has not fallen back. Replicas is how many are
	// connected that acknowledge.
	SemiSync bool
	Replicas int64
	// Epoch is the cluster's epoch as this member has it; 0: it was never opened. Opened is the name of the member that
	// was opened with that epoch.
	Epoch  int64
	Opened string
}

// Primary is the index of the one member that may be sold on: writable, semi-synchronous with a replica connected, and
// of the highest epoch that any member has. Where there is none it is -1, and an UNAVAILABLE error that says why. Two
// writable members with one epoch are ErrTwoPrimaries: neither is the primary.
func Primary(members []Member) (int, error) {
	none := func(format string, args ...any) (int, error) {
		return -1, rail.Refuse(rail.Unavailable, format, args...)
	}
	best, other := -1, -1
	answers := 0
	for i, m := range members {
		if m.Answers {
			answers++
		}
		if !m.Answers || !m.Writable {
			continue
		}
		switch {
		case best < 0 || m.Epoch > members[best].Epoch:
			best, other = i, -1
		case m.Epoch == members[best].Epoch:
			other = i
		}
	}
	switch {
	case answers == 0:
		return none("no member of the cluster answers")
	case best < 0:
		return none("no member of the cluster is writable")
	case other >= 0:
		err := rail.Refuse(rail.Unavailable, "two members are writable with the epoch %d: %s and %s",
			members[best].Epoch, members[best].Name, members[other].Name)
		err.Cause = ErrTwoPrimaries
		return -1, err
	}
	chosen := members[best]
	for _, m := range members {
		// A higher epoch tells of a later opening. A read-only member that wrote it itself does not count: perhaps no
		// replica acknowledged it.
		if m.Answers && m.Epoch > chosen.Epoch && (m.Writable || m.Opened != m.Name) {
			return none("the writable member %s has the epoch %d, and %s knows of %d: %s was opened later",
				chosen.Name, chosen.Epoch, m.Name, m.Epoch, m.Opened)
		}
	}
	switch {
	case !chosen.SemiSync:
		return none("semi-synchronous replication is off on %s: an answered order might be lost", chosen.Name)
	case chosen.Replicas < 1:
		return none("no replica is connected to %s that could acknowledge a commit", chosen.Name)
	}
	return best, nil
}

// ErrTwoPrimaries says that two members of the cluster are writable with one epoch. The one may not know an order that
// the other has acknowledged, so nothing is sold on either until a person has decided.
var ErrTwoPrimaries = errors.New("two members of the cluster are writable")
