package guard

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// cluster is a primary with replicas that follow it.
func cluster(names ...string) []Member {
	members := []Member{{
		Name: "primary", UUID: "p", Source: Source{Enabled: true, Active: true, Clients: int64(len(names))},
		Record: Record{Epoch: 3, Primary: "primary"},
	}}
	members[0].Record.Counts = append([]string{"primary"}, names...)
	for _, name := range names {
		members = append(members, Member{
			Name: name, ReadOnly: true, Record: members[0].Record,
			Receiver: &Receiver{Source: "primary", SourceUUID: "p", State: receiverOn, Applying: true},
		})
	}
	return members
}

// guardOf is a guard with a list of members.
func guardOf(names ...string) *Guard {
	g := &Guard{}
	for _, name := range names {
		g.members = append(g.members, endpoint{name: name})
	}
	return g
}

func TestLookAfter_HalfAListIsAnAlarm(t *testing.T) {
	members := cluster("a", "b")
	members[0].Source.Clients = 1 // b is away, and so no stranger
	require.Contains(t, guardOf("primary", "a").lookAfter(members[:2], 0, "").alarm,
		"b may hold an acknowledged order and is not in this guard's list")
	members[0].Record.Counts, members[0].Record.Absent = []string{"primary", "a"}, []Absent{{Member: "b", State: Excluded}}
	require.Equal(t, action{}, guardOf("primary", "a").lookAfter(members[:2], 0, ""))
}

func TestLookAfter_WhoFollowsUnrecordedJoins(t *testing.T) {
	members := cluster("a", "b")
	members[0].Record.Counts = []string{"primary", "a"}
	next := guardOf("primary", "a", "b").lookAfter(members, 0, "")
	require.Equal(t, []string{"join", "b"}, []string{next.name, next.member})
}

func TestLookAfter_WhatFailsKeepsNobodyElseWaiting(t *testing.T) {
	g := guardOf("primary", "a", "b", "c")
	members := cluster("a", "b", "c")
	require.Equal(t, action{}, g.lookAfter(members, 0, ""))
	members[1].Receiver, members[3].Receiver = nil, nil
	next := g.lookAfter(members, 0, "")
	require.Equal(t, []string{"join", "a"}, []string{next.name, next.member})
	next = g.lookAfter(members, 0, "a")
	require.Equal(t, []string{"join", "c"}, []string{next.name, next.member})
	members[3].Receiver = members[2].Receiver
	next = g.lookAfter(members, 0, "a")
	require.Equal(t, "a", next.member, "nobody else needs anything")
	members[3].ReadOnly = false
	next = g.lookAfter(members, 0, "")
	require.Equal(t, []string{"fence", "c"}, []string{next.name, next.member}, "before anything else")
}

func TestLookAfter_StrangersThatAcknowledge(t *testing.T) {
	members := cluster("a", "b")
	members[0].Source.Clients = 3
	require.Contains(t, guardOf("primary", "a", "b").lookAfter(members, 0, "").alarm, "1 replicas acknowledge commits of primary and are not among guard's members")
}

func TestLookAfter_AnotherServerUnderTheNameJoins(t *testing.T) {
	g, members := guardOf("primary", "a", "b"), cluster("a", "b")
	members[0].Record.servers = map[string]string{"primary": "p", "a": "u", "b": ""}
	members[1].UUID = "u"
	require.Equal(t, action{}, g.lookAfter(members, 0, ""))
	members[1].UUID = "v"
	next := g.lookAfter(members, 0, "")
	require.Equal(t, []string{"join", "a"}, []string{next.name, next.member})
}

func TestLookAfter_WrongSettingsAreAnAlarm(t *testing.T) {
	g, members := guardOf("primary", "a", "b"), cluster("a", "b")
	members[2].Wrong = []string{"sync_relay_log must be 1"}
	next := g.lookAfter(members, 0, "")
	require.Nil(t, next.do)
	require.Contains(t, next.alarm, "the settings of b break a promise: sync_relay_log must be 1")
	members[2].Wrong, members[0].Wrong = nil, []string{"log_bin"}
	require.Contains(t, g.lookAfter(members, 0, "").alarm, "the settings of primary break a promise")
}

// A writable member that nobody follows gets somebody: whoever counts rather than whoever does not, and nobody who was put out.
func TestDecide_WhoIsAloneGetsAFollower(t *testing.T) {
	g, members, missed := guardOf("primary", "a", "b"), cluster("a", "b"), 0
	members[0].Source.Clients = 0
	members[1].Receiver, members[2].Receiver = nil, nil
	members[0].Record.Counts, members[0].Record.Absent = []string{"primary", "b"}, []Absent{{Member: "a", State: Left}}
	next := g.decide(members, &missed, "")
	require.Equal(t, []string{"join", "b"}, []string{next.name, next.member})
	members[2].Problem = "it does not answer"
	next = g.decide(members, &missed, "")
	require.Equal(t, []string{"join", "a"}, []string{next.name, next.member})
	members[0].Record.Absent[0].State = Excluded
	require.Nil(t, g.decide(members, &missed, "").do)
	members[0].Record.Absent[0].State = Left
	members[1].Record.Epoch = 4
	require.Equal(t, "fence", g.decide(members, &missed, "").name, "somebody was opened later")
}

func TestLost_WhoDoesNotCountIsNoWitness(t *testing.T) {
	members := cluster("a", "b")
	members[0].Problem = "no answer"
	require.False(t, lost(members, "primary"), "all replicas hear it")
	members[2].Receiver = nil
	require.True(t, lost(members, "primary"))
	for i := range members {
		members[i].Record.Absent = []Absent{{Member: "b", State: Excluded}}
	}
	require.False(t, lost(members, "primary"))
	members[1].Receiver = &Receiver{Source: "primary", State: "CONNECTING"}
	require.True(t, lost(members, "primary"))
}

func TestLost_WhoWasPutOutNeedNotKnow(t *testing.T) {
	members := cluster("a", "b")
	members[0].Problem = "no answer"
	members[1].Receiver = nil // a is excluded, and has not received that
	members[2].Record.Absent = []Absent{{Member: "a", State: Excluded}}
	require.False(t, lost(members, "primary"), "b hears it")
}
