package raftgroup

import "github.com/hashicorp/raft"

// bounded is a transport that tells a follower of no commit beyond what the
// same message lets it check: "index of last new entry" (Raft, figure 2). The
// engine (hashicorp/raft v1.8.0) leaves that out on both sides. A leader that
// has waited before it tries a follower again may send it no entries and yet
// the newest commit index; a follower with an entry of a lost leader at that
// place would apply it.
type bounded struct{ *raft.NetworkTransport }

// AppendEntries sends entries, or none.
func (b bounded) AppendEntries(id raft.ServerID, target raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	safe := *args
	safe.LeaderCommitIndex = min(args.LeaderCommitIndex, args.PrevLogEntry+uint64(len(args.Entries)))
	return b.NetworkTransport.AppendEntries(id, target, &safe, resp)
}
