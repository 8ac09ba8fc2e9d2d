package failover

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

// supervisorOf is a supervisor with a list of members.
func supervisorOf(names ...string) *Supervisor {
	supervisor := &Supervisor{}
	for _, name := range names {
		supervisor.members = append(supervisor.members, endpoint{name: name})
	}
	return supervisor
}

func TestLookAfter_HalfAListIsAnAlarm(t *testing.T) {
	members := cluster("a", "b")
	members[0].Source.Clients = 1 // b is away, and so no stranger
	require.Contains(t, supervisorOf("primary", "a").lookAfter(members[:2], 0, "").alarm,
		"b may hold an acknowledged order and is not in this supervisor's list")
	members[0].Record.Counts, members[0].Record.Absent = []string{"primary", "a"},
		[]Absent{{Member: "b", State: Excluded}}
	require.Equal(t, action{}, supervisorOf("primary", "a").lookAfter(members[:2], 0, ""))
}

func TestLookAfter_WhoFollowsUnrecordedJoins(t *testing.T) {
	members := cluster("a", "b")
	members[0].Record.Counts = []string{"primary", "a"}
	next := supervisorOf("primary", "a", "b").lookAfter(members, 0, "")
	require.Equal(t, []string{"join", "b"}, []string{next.name, next.member})
}

func TestLookAfter_WhatFailsKeepsNobodyElseWaiting(t *testing.T) {
	supervisor := supervisorOf("primary", "a", "b", "c")
	members := cluster("a", "b", "c")
	require.Equal(t, action{}, supervisor.lookAfter(members, 0, ""))
	members[1].Receiver, members[3].Receiver = nil, nil
	next := supervisor.lookAfter(members, 0, "")
	require.Equal(t, []string{"join", "a"}, []string{next.name, next.member})
	next = supervisor.lookAfter(members, 0, "a")
	require.Equal(t, []string{"join", "c"}, []string{next.name, next.member})
	members[3].Receiver = members[2].Receiver
	next = supervisor.lookAfter(members, 0, "a")
	require.Equal(t, "a", next.member, "nobody else needs anything")
	members[3].ReadOnly = false
	next = supervisor.lookAfter(members, 0, "")
	require.Equal(t, []string{"fence", "c"}, []string{next.name, next.member}, "before anything else")
	next = supervisor.lookAfter(members, 0, "c")
	require.Equal(t, []string{"join", "a"}, []string{next.name, next.member},
		"a fence that fails keeps nobody waiting either")
	members[1].Receiver = members[2].Receiver
	require.Equal(t, "fence", supervisor.lookAfter(members, 0, "c").name, "nobody else needs anything")
}

// An old primary that cannot be shut must not keep the replicas of the new one from being started.
func TestDecide_AFenceThatFailsKeepsNobodyWaiting(t *testing.T) {
	supervisor, members, missed := supervisorOf("primary", "a", "b", "old"), cluster("a", "b", "old"), 0
	members[0].Source.Clients = 0
	members[3].ReadOnly, members[3].Record, members[3].Receiver = false, Record{Epoch: 2, Primary: "old"}, nil
	stopped := *members[1].Receiver
	stopped.State = receiverOff
	members[1].Receiver = &stopped
	require.Equal(t, "fence", supervisor.decide(members, &missed, "").name)
	next := supervisor.decide(members, &missed, "old")
	require.Equal(t, []string{"start the receiver", "a"}, []string{next.name, next.member})
	members[1].Receiver = members[2].Receiver
	require.Equal(t, "fence", supervisor.decide(members, &missed, "old").name, "nobody else needs anything")
}

func TestLookAfter_WhoAcknowledgesNothingIsStartedAnew(t *testing.T) {
	supervisor, members := supervisorOf("primary", "a", "b"), cluster("a", "b")
	members[2].mute = true
	next := supervisor.lookAfter(members, 0, "")
	require.Equal(t, []string{"start the receiver", "b"}, []string{next.name, next.member})
	require.Contains(t, next.alarm, "b follows the primary and acknowledges nothing")
	members[0].Source.Clients, members[1].Problem = 0, "it does not answer" // b is the only one
	missed := 0
	next = supervisor.decide(members, &missed, "")
	require.Equal(t, []string{"start the receiver", "b"}, []string{next.name, next.member})
}

// Names are compared with the addresses that members say they follow.
func TestAddress_IsTheNameOfTheMember(t *testing.T) {
	for _, name := range []string{"[::1]:3306", "[2001:db8::7]:3307", "10.0.0.1:3306", "db1:3306"} {
		e, err := newEndpoint("g@tcp(" + name + ")/x")
		require.NoError(t, err)
		require.Equal(t, name, e.name)
		require.Equal(t, e.name, address(e.host, int(e.port)))
	}
	e, err := newEndpoint("g@tcp([::1]:3306)/x")
	require.NoError(t, err)
	require.Equal(t, "::1", e.host, "as a replica is told")
	members := cluster("a", "b")
	members[0].Name = e.name
	for i := range members {
		members[i].Record.Primary = e.name
	}
	members[0].Record.Counts[0] = e.name
	for i := 1; i <= 2; i++ {
		members[i].Receiver.Source = address("::1", 3306)
	}
	require.True(t, members[1].Receiver.hears(e.name))
	require.True(t, connecting(&members[1], &members[0]))
	require.Equal(t, 0, soleSource(members, &members[0].Record))
}

// With two replicas away one of them may have been opened since, and the other follow it.
func TestSoleSource(t *testing.T) {
	members := cluster("a", "b", "c", "d")
	record := &members[0].Record
	require.Equal(t, 0, soleSource(members, record))
	members[4].Problem = "it does not answer"
	require.Equal(t, 0, soleSource(members, record))
	members[3].Problem = "it does not answer"
	require.Equal(t, -1, soleSource(members, record))
	members[3].Problem, members[0].Receiver = "", members[1].Receiver
	require.Equal(t, -1, soleSource(members, record), "it was promoted by hand, and still has a receiver")
}

func TestLookAfter_StrangersThatAcknowledge(t *testing.T) {
	members := cluster("a", "b")
	members[0].Source.Clients = 3
	require.Contains(t, supervisorOf("primary", "a", "b").lookAfter(members, 0, "").alarm,
		"1 replicas acknowledge commits of primary and are not among the supervisor's members")
}

func TestLookAfter_AnotherServerUnderTheNameJoins(t *testing.T) {
	supervisor, members := supervisorOf("primary", "a", "b"), cluster("a", "b")
	members[0].Record.servers = map[string]string{"primary": "p", "a": "u", "b": ""}
	members[1].UUID = "u"
	require.Equal(t, action{}, supervisor.lookAfter(members, 0, ""))
	members[1].UUID = "v"
	next := supervisor.lookAfter(members, 0, "")
	require.Equal(t, []string{"join", "a"}, []string{next.name, next.member})
}

func TestLookAfter_WrongSettingsAreAnAlarm(t *testing.T) {
	supervisor, members := supervisorOf("primary", "a", "b"), cluster("a", "b")
	members[2].Wrong = []string{"sync_relay_log must be 1"}
	next := supervisor.lookAfter(members, 0, "")
	require.Nil(t, next.do)
	require.Contains(t, next.alarm, "the settings of b break a promise: sync_relay_log must be 1")
	members[2].Wrong, members[0].Wrong = nil, []string{"log_bin"}
	require.Contains(t, supervisor.lookAfter(members, 0, "").alarm, "the settings of primary break a promise")
}

// A writable member without a follower gets one. One that counts is preferred, and an excluded one is not taken.
func TestDecide_WhoIsAloneGetsAFollower(t *testing.T) {
	supervisor, members, missed := supervisorOf("primary", "a", "b"), cluster("a", "b"), 0
	members[0].Source.Clients = 0
	members[1].Receiver, members[2].Receiver = nil, nil
	members[0].Record.Counts, members[0].Record.Absent = []string{"primary", "b"}, []Absent{{Member: "a", State: Left}}
	next := supervisor.decide(members, &missed, "")
	require.Equal(t, []string{"join", "b"}, []string{next.name, next.member})
	members[2].Problem = "it does not answer"
	next = supervisor.decide(members, &missed, "")
	require.Equal(t, []string{"join", "a"}, []string{next.name, next.member})
	members[0].Record.Absent[0].State = Excluded
	require.Nil(t, supervisor.decide(members, &missed, "").do)
	members[0].Record.Absent[0].State = Left
	members[1].Record.Epoch = 4
	require.Equal(t, "fence", supervisor.decide(members, &missed, "").name, "somebody was opened later")
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
