/** What went wrong, in words for the person who runs the demo. */
export class DemoFailure extends Error {}
