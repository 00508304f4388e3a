package venue

import "container/heap"

// futureHeap holds samples dated ahead of the venue's time, earliest first.
type futureHeap struct{ items []folded }

// Len implements heap.Interface.
func (h *futureHeap) Len() int { return len(h.items) }

// Less implements heap.Interface.
func (h *futureHeap) Less(i, j int) bool { return h.items[i].wall < h.items[j].wall }

// Swap implements heap.Interface.
func (h *futureHeap) Swap(i, j int) { h.items[i], h.items[j] = h.items[j], h.items[i] }

// Push implements heap.Interface.
func (h *futureHeap) Push(x any) { h.items = append(h.items, x.(folded)) }

// Pop implements heap.Interface.
func (h *futureHeap) Pop() any {
	last := h.items[len(h.items)-1]
	h.items = h.items[:len(h.items)-1]
	return last
}

func (h *futureHeap) push(f folded) { heap.Push(h, f) }

// due takes out what is dated at or before limit.
func (h *futureHeap) due(limit int64) []folded {
	var out []folded
	for len(h.items) > 0 && h.items[0].wall <= limit {
		out = append(out, heap.Pop(h).(folded))
	}
	return out
}
