package failover

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNewcomer_State is the rule of who may join, each state with what tells it from its neighbours.
func TestNewcomer_State(t *testing.T) {
	// Each begins with a member a that counts and follows the primary, as three others do.
	apart := func(members []Member) { members[1].Receiver = nil }
	uncounted := func(members []Member) { members[0].Record.Counts = []string{"primary", "b", "c", "d"} }
	absent := func(state Absence) func([]Member) {
		return func(members []Member) {
			uncounted(members)
			members[0].Record.Absent = []Absent{{Member: "a", State: state}}
		}
	}
	misset := func(members []Member) { members[1].Wrong = []string{"sync_relay_log must be 1"} }
	unheard := func(members []Member) {
		members[0].Source.Clients = 0
		for i := 2; i < len(members); i++ {
			members[i].Receiver = nil
		}
	}
	receives := func(members []Member) {
		members[1].Receiver = &Receiver{Source: "x", SourceUUID: "x", State: receiverOn}
	}
	for name, c := range map[string]struct {
		as     []func([]Member)
		byHand bool
		want   joinState
	}{
		"all is well":                       {nil, false, follows},
		"it does not answer":                {[]func([]Member){func(m []Member) { m[1].Problem = "no answer" }}, true, doesNotAnswer},
		"it is an old primary":              {[]func([]Member){func(m []Member) { m[1].ReadOnly, m[1].Record.Epoch = false, 2 }}, true, isWritable},
		"it is being rebuilt":               {[]func([]Member){func(m []Member) { m[1].Cloning = true }}, false, isRebuilt},
		"it was excluded":                   {[]func([]Member){absent(Excluded)}, false, isExcluded},
		"... and is included":               {[]func([]Member){absent(Excluded)}, true, mayFollow},
		"it was left behind":                {[]func([]Member){absent(Left), apart}, false, mayFollow},
		"it was lost":                       {[]func([]Member){absent(Lost), apart}, false, mayFollow},
		"its rebuilding was begun":          {[]func([]Member){absent(Rebuilding), apart}, false, mayFollow},
		"it is not recorded, and follows":   {[]func([]Member){uncounted}, false, followsUnrecorded},
		"... and does not":                  {[]func([]Member){uncounted, apart}, false, mayFollow},
		"... and is set wrongly":            {[]func([]Member){uncounted, apart, misset}, false, isMisset},
		"it counts, and is set wrongly":     {[]func([]Member){apart, misset}, false, mayFollow},
		"it is absent, and is set wrongly":  {[]func([]Member){absent(Left), apart, misset}, false, mayFollow},
		"it follows another":                {[]func([]Member){receives}, false, mayFollow},
		"... and is all the primary has":    {[]func([]Member){receives, unheard}, false, followsAnother},
		"it is all the primary has":         {[]func([]Member){apart, unheard}, false, mayFollow},
		"... and does not count":            {[]func([]Member){uncounted, apart, unheard}, true, wouldBeOnlyWitness},
		"... and was left behind":           {[]func([]Member){absent(Left), apart, unheard}, false, wouldBeOnlyWitness},
		"another server is under its name":  {[]func([]Member){func(m []Member) { m[1].UUID = "v" }, apart, misset}, false, isMisset},
		"... that follows, and is recorded": {[]func([]Member){func(m []Member) { m[1].UUID = "v" }}, false, followsUnrecorded},
	} {
		t.Run(name, func(t *testing.T) {
			members := cluster("a", "b", "c", "d")
			for i := range members {
				members[i].Acknowledges = true
			}
			for _, change := range c.as {
				change(members)
			}
			a := &attempt{sup: supervisorOf("primary", "a", "b", "c", "d")}
			n, err := a.newcomer(members, 1, c.byHand)
			require.NoError(t, err)
			require.Equal(t, c.want, n.state())
		})
	}

	// Of three members the third alone is no majority, so that the two may go on by themselves.
	members := cluster("a", "b")
	members[0].Record.Counts = []string{"primary", "b"}
	apart(members)
	unheard(members)
	n, err := (&attempt{sup: supervisorOf("primary", "a", "b")}).newcomer(members, 1, false)
	require.NoError(t, err)
	require.Equal(t, mayFollow, n.state())
	n, err = (&attempt{sup: supervisorOf("primary", "a", "b")}).newcomer(cluster("a", "b"), 0, false)
	require.NoError(t, err)
	require.Equal(t, isPrimary, n.state())
}
