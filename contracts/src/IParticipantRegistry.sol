// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Who takes part, and what each has at stake
/// @notice An account takes part from its registration until it leaves. Its stake stays here for the unbonding
/// time after that, and belongs to the account whoever paid it.
interface IParticipantRegistry {
    /// @param payer Whose tokens were staked.
    /// @param addedWei What this registration added.
    /// @param stakeWei The account's stake from now on.
    event ParticipantRegistered(address indexed account, address indexed payer, uint256 addedWei, uint256 stakeWei);
    /// @param withdrawableAt Seconds since 1970 from which the stake can be withdrawn.
    event ParticipantLeft(address indexed account, uint64 withdrawableAt);
    event StakeWithdrawn(address indexed account, uint256 amountWei);

    /// @notice The account's stake would be below the minimum.
    error StakeTooLow(address account, uint256 stakeWei, uint256 minimumWei);
    error NotParticipant(address account);
    /// @notice The account has left and must withdraw its stake before it can register again.
    error StillUnbonding(address account, uint64 withdrawableAt);

    /// @notice Register the caller, or add to its stake. The tokens must be approved.
    /// @param stakeWei What is added; the sum must reach the minimum.
    function register(uint256 stakeWei) external;

    /// @notice Register others at the caller's expense; long lists belong in several calls. The tokens are a gift.
    /// @param stakeWeiEach What is added to each account's stake.
    function registerFor(address[] calldata accounts, uint256 stakeWeiEach) external;

    /// @notice Stop taking part; the unbonding time begins.
    function deregister() external;

    /// @notice Get the stake back once the unbonding time is over.
    function withdrawStake() external;

    function isParticipant(address account) external view returns (bool);

    /// @notice The account's stake, while it takes part and while it is unbonding.
    function stakeOf(address account) external view returns (uint256);

    /// @notice When a leaver's stake can be withdrawn, in seconds since 1970; 0 for everybody else.
    function withdrawableAt(address account) external view returns (uint64);

    /// @notice The token that is staked.
    function token() external view returns (address);

    function minimumStakeWei() external view returns (uint256);

    function unbondingSeconds() external view returns (uint64);
}
