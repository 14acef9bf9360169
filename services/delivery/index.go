package delivery

import (
	"context"
	"sync"

	"github.com/freshet-io/freshet/services/delivery/pattern"
)

// maxIndexes bounds the buses whose index is kept in memory.
const maxIndexes = 10_000

// busIndex is a compiled RuleSet.
type busIndex struct {
	version  string
	patterns *pattern.Index
	rules    map[string]*Rule
	archives []archiveIndex
	settings BusSettings
}

// indexCache has indexes of buses. One may be outdated: Accept compares its version with the stored one.
type indexCache struct {
	mu      sync.Mutex
	indexes map[BusName]*busIndex
}

// index returns the bus's index, from memory if it is there.
func (s *Service) index(ctx context.Context, bus BusName) (*busIndex, error) {
	s.indexes.mu.Lock()
	x := s.indexes.indexes[bus]
	s.indexes.mu.Unlock()
	if x != nil {
		return x, nil
	}
	set, err := s.store.RuleSet(ctx, bus)
	if err != nil {
		return nil, err
	}
	return s.indexes.build(bus, set), nil
}

// build compiles rules and keeps the result.
func (c *indexCache) build(bus BusName, set RuleSet) *busIndex {
	x := &busIndex{version: set.Version, settings: set.Settings, rules: make(map[string]*Rule, len(set.Rules))}
	var entries []pattern.Entry
	for i := range set.Rules {
		rule := &set.Rules[i]
		p, err := pattern.Compile(rule.EventPattern)
		if err != nil { // it was valid when it was stored; a pattern that is not so any more matches nothing
			continue
		}
		x.rules[rule.Name.Rule] = rule
		entries = append(entries, pattern.Entry{ID: pattern.RuleID(rule.Name.Rule), Pattern: p})
	}
	x.patterns = pattern.NewIndex(entries)
	x.archives = compileArchives(set.Archives)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.indexes) >= maxIndexes {
		for other := range c.indexes {
			delete(c.indexes, other)
			break
		}
	}
	c.indexes[bus] = x
	return x
}

// forget drops a bus's index: it is outdated for sure.
func (c *indexCache) forget(bus BusName) {
	c.mu.Lock()
	delete(c.indexes, bus)
	c.mu.Unlock()
}
