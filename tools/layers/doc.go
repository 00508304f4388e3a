// Package layers holds the tests that keep the house in order: who may import whom, which package alone
// handles which library, that every package and every exported name says what it is, that docs/design.md says
// where it stands and what it imports, that pages link what is there and name every dependency, and that nothing begins before main.
package layers
