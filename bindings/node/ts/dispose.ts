// Node has the symbol since 18.18. Before, classes need one all the same, and so do compilers that
// expand `await using`: they look for it here.
if (Symbol.asyncDispose === undefined) {
  Object.defineProperty(Symbol, 'asyncDispose', { value: Symbol.for('nodejs.asyncDispose') });
}
export {};
