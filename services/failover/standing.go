package failover

// standing is what another member is to a candidate, by the candidate's record.
type standing string

// The standings.
const (
	// bystander: it holds nothing that counts, and will not acknowledge.
	bystander standing = "bystander"
	// counting: it counts and answers, and the candidate has all that it has.
	counting standing = "counting"
	// returning: it was left behind by an earlier opening, and the candidate has all that it has.
	returning standing = "returning"
	// unrecorded: it answers, the candidate has all that it has, and the record does not know it.
	unrecorded standing = "unrecorded"
	// ahead: it has something that the candidate lacks, and that may have been acknowledged.
	ahead standing = "ahead"
	// formerPrimary: it was opened last and counts, and does not answer, or another server does in its place.
	formerPrimary standing = "former primary"
	// silent: it counts and does not answer.
	silent standing = "silent"
	// replaced: it counts, and another server answers under its name.
	replaced standing = "replaced"
)

// relation is all of another member and of the candidate's record that decides its standing.
type relation struct {
	// counts and absence are what the record says of it: absence is "" where it has no entry. Who is absent does not
	// count.
	counts  bool
	absence Absence
	// openedLast tells that it is the last primary.
	openedLast bool
	// answers, receives and sameServer are what it says itself: that it follows a source, be the receiver running or
	// not, and that it is the server which the record has under its name.
	answers, receives, sameServer bool
	// has tells that the candidate has all that it has received.
	has bool
}

// relationOf reads a member's relation to a candidate with a record.
func relationOf(record *Record, m *Member, has bool) relation {
	r := relation{
		counts: record.counts(m.Name), openedLast: m.Name == record.Primary,
		answers: m.Answers(), receives: m.Answers() && m.Receiver != nil, sameServer: record.isServer(m), has: has,
	}
	if gone := record.absent(m.Name); gone != nil {
		r.absence = gone.State
	}
	return r
}

// standing is the rule. Its truth table is in TestStanding.
func (r relation) standing() standing {
	switch {
	case r.absence == Left && r.has:
		return returning
	case r.absence == Lost, r.absence != "" && !r.receives:
		return bystander // What it has was given up, or never acknowledged.
	case r.answers && r.sameServer:
		return r.ofOneThatAnswers()
	case !r.counts:
		return bystander // It has never received anything.
	case r.openedLast:
		return formerPrimary
	case r.answers:
		return replaced
	}
	return silent
}

// ofOneThatAnswers is the standing of a member that may have acknowledged something and says what it has.
func (r relation) ofOneThatAnswers() standing {
	switch {
	case !r.has:
		return ahead
	case r.counts:
		return counting
	case r.absence == "":
		return unrecorded
	}
	return bystander // A person has put it out, or it is being rebuilt.
}
