package failover

import "context"

// Status is how the cluster is at one moment, as seen from here.
type Status struct {
	// OK tells that there is a primary, and that every member which counts follows it.
	OK bool `json:"ok"`
	// Primary is the member that may be sold on; empty where there is none, and Reason says why.
	Primary string `json:"primary"`
	Epoch   int64  `json:"epoch"`
	Reason  string `json:"reason,omitempty"`
	// Members are all members that are configured.
	Members []Member `json:"members"`
}

// Status looks at all members. It changes nothing and takes no lock.
func (sup *Supervisor) Status(ctx context.Context) Status {
	members := sup.look(ctx, lookTimeout)
	s := Status{Members: members}
	p, err := primaryOf(members)
	if err != nil {
		s.Reason = messageOf(err)
		if half := sup.whole(lastRecord(members)); half != nil {
			s.Reason += "; " + messageOf(half)
		}
		return s
	}
	s.Primary, s.Epoch = members[p].Name, members[p].Record.Epoch
	s.Reason = sup.lookAfter(members, p, "").alarm
	s.OK = s.Reason == ""
	return s
}
