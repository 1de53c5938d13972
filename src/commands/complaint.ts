/** What a person who typed a command can put right: the message is all there is to say. */
export class Complaint extends Error {}
